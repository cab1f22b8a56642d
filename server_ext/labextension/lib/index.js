/** Hubernate in JupyterLab: one plugin for each thing it shows. A panel is one more file and one more entry here. */
import { sleep } from './sleep';
const plugins = [sleep];
export default plugins;
