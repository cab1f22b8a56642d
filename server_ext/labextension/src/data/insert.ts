/** Code into the notebook that was worked in last, in a cell of its own; into a new notebook where there is none. */

import { JupyterFrontEnd } from '@jupyterlab/application';
import { INotebookTracker, NotebookActions, NotebookPanel } from '@jupyterlab/notebook';

export async function insert(app: JupyterFrontEnd, notebooks: INotebookTracker, code: string): Promise<void> {
  const panel = notebooks.currentWidget ?? (await create(app));
  await panel.context.ready;
  const notebook = panel.content;
  const active = notebook.activeCell?.model;
  if (active?.type !== 'code' || active.sharedModel.getSource().trim()) {
    NotebookActions.insertBelow(notebook);
  }
  notebook.activeCell?.model.sharedModel.setSource(code);
  app.shell.activateById(panel.id);
  notebook.mode = 'edit';
  await notebook.scrollToItem(notebook.activeCellIndex);
}

async function create(app: JupyterFrontEnd): Promise<NotebookPanel> {
  const { commands, serviceManager } = app;
  await serviceManager.kernelspecs.ready;
  const kernelName = serviceManager.kernelspecs.specs?.default;
  return (await commands.execute('notebook:create-new', { kernelName, activate: true })) as NotebookPanel;
}
