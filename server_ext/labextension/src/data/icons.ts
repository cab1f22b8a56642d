/** Our own icons, in the colours of JupyterLab's theme. */

import { LabIcon } from '@jupyterlab/ui-components';

const CYLINDER = 'M12 3C7.6 3 4 4.6 4 6.5v11C4 19.4 7.6 21 12 21s8-1.6 8-3.5v-11C20 4.6 16.4 3 12 3z';
const RINGS = 'M4.8 6.5C4.8 8.2 8 9.6 12 9.6s7.2-1.4 7.2-3.1M4.8 12c0 1.7 3.2 3.1 7.2 3.1s7.2-1.4 7.2-3.1';

export const dataIcon = new LabIcon({
  name: 'hubernate:data',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" width="24" viewBox="0 0 24 24">' +
    `<path class="jp-icon3" fill="#616161" d="${CYLINDER}"/>` +
    `<path class="jp-icon-accent0" fill="none" stroke="#fff" stroke-width="1.5" d="${RINGS}"/></svg>`
});

export const sourceIcon = new LabIcon({
  name: 'hubernate:source',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">' +
    '<g class="hbn-stroke" fill="none" stroke="#616161" stroke-width="1.8">' +
    `<path d="${CYLINDER}"/><path d="${RINGS}"/></g></svg>`
});
