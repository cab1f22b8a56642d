/** The team's data in JupyterLab: looked at, and read by code that it writes. */

import { ILabShell, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Clipboard, ICommandPalette, Notification } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';

import { insert } from './insert';
import { DataPanel } from './panel';
import { Preview } from './preview';
import { IPlace } from './sources';

const COMMAND = 'hubernate:show-data';

export const data: JupyterFrontEndPlugin<void> = {
  id: '@hubernate/lab:data',
  description: "A panel with the team's sources of data: browse, preview, insert code, upload.",
  autoStart: true,
  requires: [ILabShell, INotebookTracker],
  optional: [ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    shell: ILabShell,
    notebooks: INotebookTracker,
    palette: ICommandPalette | null
  ): void => {
    let preview = new Preview();
    const panel = new DataPanel({
      onOpen: (place: IPlace) => {
        if (preview.isDisposed) {
          preview = new Preview();
        }
        preview.open(place);
        if (!preview.isAttached) {
          // Below the notebook, so that both are seen.
          const ref = notebooks.currentWidget?.isVisible ? notebooks.currentWidget.id : null;
          shell.add(preview, 'main', ref ? { mode: 'split-bottom', ref } : {});
        }
        shell.activateById(preview.id);
      },
      onInsert: code => {
        insert(app, notebooks, code).catch(problem => Notification.error(`No code was inserted: ${problem}`));
      },
      onCopy: text => {
        Clipboard.copyToSystem(text);
        Notification.success(`Copied ${text}`, { autoClose: 2000 });
      }
    });
    shell.add(panel, 'left', { rank: 150, type: 'Data' });
    app.commands.addCommand(COMMAND, { label: 'Show Data', execute: () => shell.activateById(panel.id) });
    palette?.addItem({ command: COMMAND, category: 'Hubernate' });
  }
};
