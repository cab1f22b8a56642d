/** `job` as a cell's last expression: a live look at it, by `application/vnd.hubernate.job+json`. */

import { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { ReactWidget } from '@jupyterlab/ui-components';
import React from 'react';

import { useLog, usePolled } from './following';
import { IJob, isId, isOver, one } from './jobs';
import { textOf } from './log';
import { Mark } from './state';
import { progress, standing } from './words';

export const MIME_TYPE = 'application/vnd.hubernate.job+json';
const [EVERY_MS, LINES, BEGIN_BYTES] = [2000, 6, 8192];

/** What the kernel wrote into the output: as it was then. */
interface IThen {
  id?: unknown;
  label?: unknown;
  state?: unknown;
  why?: unknown;
}

export class JobOutput extends ReactWidget implements IRenderMime.IRenderer {
  private _then: IThen = {};

  constructor(private readonly _onOpen: (job: IJob) => void) {
    super();
    this.addClass('hbn-JobOutput');
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this._then = (model.data[MIME_TYPE] ?? {}) as IThen;
    this.update();
    await this.renderPromise;
  }

  render(): React.JSX.Element {
    const { id } = this._then;
    return isId(id) ? (
      <Live id={id} then={this._then} onOpen={this._onOpen} isShown={() => this.isVisible} />
    ) : (
      <p>This output names no job.</p>
    );
  }
}

interface IProps {
  id: string;
  then: IThen;
  onOpen: (job: IJob) => void;
  isShown: () => boolean;
}

function Live({ id, then, onOpen, isShown }: IProps): React.JSX.Element {
  const [over, setOver] = React.useState(false);
  const { found, problem } = usePolled(`${id} ${over}`, () => one(id), over ? null : EVERY_MS, isShown);
  const known = React.useRef<IJob | null>(null);
  known.current = found ?? known.current;
  const job = known.current;
  React.useEffect(() => setOver(job !== null && isOver(job)), [job?.state]);
  if (!job) {
    return (
      <p className="hbn-quiet">
        {String(then.label)}, job {id}, {String(then.state)}
        {problem !== null && ` when this was shown. Now: ${problem instanceof Error ? problem.message : problem}`}
      </p>
    );
  }
  return (
    <section className="hbn-Job" aria-label={`Job ${id}`}>
      <h3>
        <Mark state={job.state} /> {job.label}{' '}
        <span className="hbn-quiet" aria-live="polite">
          {job.cancelling && !isOver(job) ? 'being cancelled' : standing(job, Date.now())}
        </span>
        <button className="hbn-button" onClick={() => onOpen(job)}>
          Open
        </button>
      </h3>
      {job.why && <p className={job.state === 'failed' ? 'hbn-Job-why hbn-mod-bad' : 'hbn-Job-why'}>{job.why}</p>}
      {job.state !== 'queued' && <Tail key={job.attempt} job={job} isShown={isShown} />}
    </section>
  );
}

function Tail({ job, isShown }: { job: IJob; isShown: () => boolean }): React.JSX.Element | null {
  const { lines } = useLog(job.id, BEGIN_BYTES, LINES, isShown);
  const texts = lines.slice(-LINES).map(textOf);
  const share = job.state === 'running' ? progress(texts) : null;
  return (
    <>
      {share !== null && <progress value={share} aria-label="How far it is" />}
      {texts.length > 0 && <pre>{texts.join('\n')}</pre>}
    </>
  );
}
