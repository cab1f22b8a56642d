/** Jobs in JupyterLab: what runs and waits, a file run as one, and `job` shown live in a notebook. */

import { ILabShell, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Dialog, ICommandPalette, Notification, showDialog } from '@jupyterlab/apputils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { ILauncher } from '@jupyterlab/launcher';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { Widget } from '@lumino/widgets';

import { JobForm } from './form';
import { jobsIcon } from './icons';
import { IJob } from './jobs';
import { IPanelActions, JobsPanel } from './panel';
import { ComparedView, JobView } from './view';
import { JobOutput, MIME_TYPE } from './widget';

const [SHOW, RUN, RUN_SELECTED] = ['hubernate:show-jobs', 'hubernate:run-as-job', 'hubernate:run-selected-as-job'];
const RUNS = /\.(ipynb|py|sh)$/;
const ITEMS = '.jp-DirListing-item[data-isdir="false"]';

export const jobs: JupyterFrontEndPlugin<void> = {
  id: '@hubernate/lab:jobs',
  description: 'A panel with jobs, "Run as Job" on files, and jobs shown live in notebooks.',
  autoStart: true,
  requires: [ILabShell, IDocumentManager, IFileBrowserFactory, IRenderMimeRegistry],
  optional: [ICommandPalette, ILauncher],
  activate: (
    app: JupyterFrontEnd,
    shell: ILabShell,
    documents: IDocumentManager,
    browsers: IFileBrowserFactory,
    rendermime: IRenderMimeRegistry,
    palette: ICommandPalette | null,
    launcher: ILauncher | null
  ): void => {
    const show = (widget: Widget): void => {
      const known = [...shell.widgets('main')].find(({ id }) => id === widget.id);
      if (known) {
        widget.dispose();
      } else {
        shell.add(widget, 'main');
      }
      shell.activateById((known ?? widget).id);
    };
    const actions: IPanelActions = {
      onOpen: job => show(new JobView(job, actions)),
      onCompare: compared => show(new ComparedView(compared)),
      onNew: () => show(form('')),
      onFile: path => {
        documents.openOrReveal(path) ?? Notification.error(`${path} was copied, but JupyterLab could not open it.`);
      },
      onChanged: job => panel.choose(job.id),
      confirm: async (title, body, label) => {
        const buttons = [Dialog.cancelButton({ label: 'Keep it' }), Dialog.warnButton({ label })];
        return (await showDialog({ title, body, buttons })).button.accept;
      }
    };
    const panel = new JobsPanel(actions);
    const form = (path: string): JobForm => {
      const made = new JobForm(path, {
        save: file => saved(documents, file),
        onSubmitted: (job: IJob) => {
          made.dispose();
          panel.choose(job.id);
          actions.onOpen(job);
        }
      });
      return made;
    };
    shell.add(panel, 'left', { rank: 160, type: 'Jobs' });
    rendermime.addFactory(
      { safe: true, mimeTypes: [MIME_TYPE], createRenderer: () => new JobOutput(actions.onOpen) },
      0 // before its HTML, which does not change any more
    );

    const selected = (): string => browsers.tracker.currentWidget?.selectedItems().next().value?.path ?? '';
    app.commands.addCommand(SHOW, { label: 'Show Jobs', execute: () => shell.activateById(panel.id) });
    app.commands.addCommand(RUN, {
      label: args => (args.isLauncher ? 'Job' : 'Run as Job…'),
      caption: 'Run a script or notebook to its end in a container of its own',
      icon: args => (args.isPalette ? undefined : jobsIcon),
      execute: () => {
        const here = shell.currentWidget && documents.contextForWidget(shell.currentWidget)?.localPath;
        show(form(here && RUNS.test(here) ? here : ''));
      }
    });
    app.commands.addCommand(RUN_SELECTED, {
      label: 'Run as Job…',
      icon: jobsIcon,
      isVisible: () => RUNS.test(selected()),
      execute: () => show(form(documents.services.contents.localPath(selected())))
    });
    app.contextMenu.addItem({ command: RUN_SELECTED, selector: ITEMS, rank: 3.5 });
    palette?.addItem({ command: SHOW, category: 'Hubernate' });
    palette?.addItem({ command: RUN, category: 'Hubernate', args: { isPalette: true } });
    launcher?.add({ command: RUN, category: 'Other', args: { isLauncher: true } });
  }
};

/** Write what is not saved yet of a file that is open. */
async function saved(documents: IDocumentManager, path: string): Promise<boolean> {
  const open = documents.findWidget(path, null) ?? undefined;
  const context = open && documents.contextForWidget(open);
  if (!context?.model.dirty) {
    return false;
  }
  await context.save();
  return true;
}
