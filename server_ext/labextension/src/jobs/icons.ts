/** Our own icon, in the colours of JupyterLab's theme: a queue, its first one going. */

import { LabIcon } from '@jupyterlab/ui-components';

export const jobsIcon = new LabIcon({
  name: 'hubernate:jobs',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" width="24" viewBox="0 0 24 24"><g class="jp-icon3" fill="#616161">' +
    '<path d="M4 3.5v7l6-3.5z"/><rect x="12" y="6" width="8" height="2.2" rx="1"/>' +
    '<rect x="4" y="12.5" width="16" height="2.2" rx="1"/><rect x="4" y="17.5" width="16" height="2.2" rx="1"/></g></svg>'
});
