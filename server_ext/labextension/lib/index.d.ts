/** Hubernate in JupyterLab: one plugin for each thing it shows. A panel is one more file and one more entry here. */
import { JupyterFrontEndPlugin } from '@jupyterlab/application';
declare const plugins: JupyterFrontEndPlugin<void>[];
export default plugins;
