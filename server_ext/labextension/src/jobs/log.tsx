/** A job's log, followed as it is written. */

import React from 'react';

import { Problem } from '../problem';
import { ILine, ILog } from './following';

export function Log({ log }: { log: ILog }): React.JSX.Element {
  const box = React.useRef<HTMLDivElement>(null);
  const [stuck, setStuck] = React.useState(true);
  React.useLayoutEffect(() => {
    if (stuck && box.current) {
      box.current.scrollTop = box.current.scrollHeight;
    }
  }, [log.lines, stuck]);
  const onScroll = (): void => {
    const { scrollTop, scrollHeight, clientHeight } = box.current as HTMLDivElement;
    setStuck(scrollHeight - scrollTop - clientHeight < 30);
  };
  return (
    <section className="hbn-Log" aria-label="Log">
      <header>
        <h3>Log</h3>
        {!log.over && stuck && <span className="hbn-quiet">live</span>}
        {!stuck && (
          <button className="hbn-button" onClick={() => setStuck(true)}>
            To the end
          </button>
        )}
      </header>
      {log.problem !== null && <Problem error={log.problem} />}
      <div className="hbn-Log-lines jp-RenderedText" ref={box} tabIndex={0} onScroll={onScroll} role="log">
        {log.cut && <p className="hbn-quiet">Only the newest part is shown. job.logs() in a notebook prints all of it.</p>}
        {log.lines.length === 0 && log.problem === null && (
          <p className="hbn-quiet">{log.over ? 'It wrote nothing.' : 'Nothing was written yet.'}</p>
        )}
        <pre>
          {log.lines.map(line => (
            <Line key={line.number} line={line} />
          ))}
        </pre>
      </div>
    </section>
  );
}

const same = (one: { line: ILine }, other: { line: ILine }): boolean => one.line.spans === other.line.spans;

const Line = React.memo(({ line }: { line: ILine }) => {
  return (
    <>
      {line.spans.map(({ text, look }, at) => (look ? <span key={at} className={look}>{text}</span> : text))}
      {'\n'}
    </>
  );
}, same);

/** What a line says, without its colours. */
export const textOf = (line: ILine): string => line.spans.map(({ text }) => text).join('');
