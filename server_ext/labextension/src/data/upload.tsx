/** Files of this computer's into a folder, one after the other, with how far it is. */

import React from 'react';

import { Problem } from '../problem';
import { IPlace, upload } from './sources';

interface IState {
  file: string;
  share: number;
  stop: AbortController;
}

export function Upload({ folder, onUploaded }: { folder: IPlace; onUploaded: () => void }): React.JSX.Element {
  const [state, setState] = React.useState<IState | null>(null);
  const [problem, setProblem] = React.useState('');
  const [done, setDone] = React.useState('');
  const input = React.useRef<HTMLInputElement>(null);

  const send = async (files: File[]): Promise<void> => {
    const stop = new AbortController();
    setProblem('');
    setDone('');
    for (const file of files) {
      try {
        await upload(folder, file, share => setState({ file: file.name, share, stop }), stop.signal);
      } catch (error) {
        if (!stop.signal.aborted) {
          setProblem(`${file.name} was not uploaded: ${error instanceof Error ? error.message : error}`);
        }
        setState(null);
        return;
      }
    }
    setState(null);
    onUploaded();
    setDone(`${files.length === 1 ? files[0].name : `${files.length} files`} uploaded.`);
  };
  return (
    <>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        aria-label="Files to upload"
        onChange={event => {
          void send([...(event.target.files ?? [])]);
          event.target.value = '';
        }}
      />
      {state === null ? (
        <button className="hbn-button" onClick={() => input.current?.click()}>
          Upload…
        </button>
      ) : (
        <button className="hbn-button" onClick={() => state.stop.abort()}>
          Stop
        </button>
      )}
      {state !== null && (
        <label className="hbn-Data-progress">
          {state.file}
          <progress value={state.share} />
        </label>
      )}
      {done && (
        <p className="hbn-quiet" role="status">
          {done}
        </p>
      )}
      {problem && <Problem error={problem} />}
    </>
  );
}
