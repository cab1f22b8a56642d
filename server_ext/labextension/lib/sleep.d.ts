/** Before this environment is put to sleep its person is told in JupyterLab, and may keep it awake. */
import { JupyterFrontEndPlugin } from '@jupyterlab/application';
export declare const sleep: JupyterFrontEndPlugin<void>;
