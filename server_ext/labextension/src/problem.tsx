/** What went wrong, in the platform's words, and a way to ask again. */

import React from 'react';

export function Problem({ error, onAgain }: { error: unknown; onAgain?: () => void }): React.JSX.Element {
  return (
    <div className="hbn-problem" role="alert">
      <span>{error instanceof Error ? error.message : String(error)}</span>
      {onAgain && (
        <button className="hbn-button" onClick={onAgain}>
          Try again
        </button>
      )}
    </div>
  );
}
