/** Hubernate in JupyterLab: one plugin for each thing it shows. A panel is one more file and one more entry here. */

import { JupyterFrontEndPlugin } from '@jupyterlab/application';

import { data } from './data/plugin';
import { jobs } from './jobs/plugin';
import { sleep } from './sleep';

const plugins: JupyterFrontEndPlugin<void>[] = [sleep, data, jobs];

export default plugins;
