/** The mark of a job's state: a shape and a colour, so that neither says it alone. */

import React from 'react';

import { State } from './jobs';

const SHAPES: Record<State, string> = {
  queued: 'M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM8 5v3.2l2.2 1.6',
  starting: 'M8 2.5a5.5 5.5 0 0 1 5.5 5.5',
  running: 'M8 2.5a5.5 5.5 0 0 1 5.5 5.5',
  succeeded: 'M3.5 8.5l3 3 6-7',
  failed: 'M4.5 4.5l7 7m0-7l-7 7',
  cancelled: 'M4 8h8'
};

export function Mark({ state }: { state: State }): React.JSX.Element {
  return (
    <svg className={`hbn-Job-mark hbn-mod-${state}`} viewBox="0 0 16 16" role="img" aria-label={state}>
      <path d={SHAPES[state]} />
    </svg>
  );
}
