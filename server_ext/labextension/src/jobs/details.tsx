/** A job at a glance, and what can be done with it: in the side bar, and above its log. */

import React from 'react';

import { bytes } from '../data/statistics';
import { Problem } from '../problem';
import { isRefusal } from './following';
import { cancel, downloadUrl, IJob, IOutput, isOver, keep, newId, rerun } from './jobs';
import { Mark } from './state';
import { duration, moment, standing } from './words';

/** What is left to JupyterLab. */
export interface IJobActions {
  /** Its log and metrics, in the main area. */
  onOpen: (job: IJob) => void;
  /** A file of the home, by its path. */
  onFile: (path: string) => void;
  /** A job was made, or is being ended. */
  onChanged: (job: IJob) => void;
  /** Ask before something is done that cannot be undone. */
  confirm: (title: string, body: string, label: string) => Promise<boolean>;
}

interface IProps {
  job: IJob;
  now: number;
  actions: IJobActions;
  /** It is shown in the main area already. */
  isOpen?: boolean;
  /** 0 to 1; null: it does not say. */
  share?: number | null;
}

export function Details({ job, now, actions, isOpen, share = null }: IProps): React.JSX.Element {
  const [problem, setProblem] = React.useState<unknown>(null);
  const [busy, setBusy] = React.useState(false);
  // Kept until it is answered: of an answer that was lost, asking again makes no second job.
  const next = React.useRef('');
  React.useEffect(() => {
    next.current = newId();
    setProblem(null);
  }, [job.id]);
  const attempt = async (deed: () => Promise<void>): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      await deed();
    } catch (error) {
      setProblem(error);
    }
    setBusy(false);
  };
  const end = async (): Promise<void> => {
    const told = 'What it wrote to its outputs until then is kept; it does not go on from there.';
    if (await actions.confirm(`Cancel ${job.label}?`, told, 'Cancel the job')) {
      actions.onChanged(await cancel(job.id));
    }
  };
  const again = async (): Promise<void> => {
    try {
      actions.onChanged(await rerun(job.id, next.current));
      next.current = newId();
    } catch (error) {
      next.current = isRefusal(error) ? newId() : next.current;
      throw error;
    }
  };
  return (
    <section className="hbn-Job" aria-label="Job">
      <h3 title={job.label}>
        <Mark state={job.state} /> {job.label}
      </h3>
      <p aria-live="polite">{job.cancelling && !isOver(job) ? 'being cancelled' : standing(job, now)}</p>
      {job.why && <p className={job.state === 'failed' ? 'hbn-Job-why hbn-mod-bad' : 'hbn-Job-why'}>{job.why}</p>}
      {share !== null && !isOver(job) && <progress value={share} aria-label="How far it is" />}
      <p className="hbn-quiet">{facts(job)}</p>
      <div className="hbn-actions">
        {!isOpen && (
          <button className="hbn-button hbn-mod-first" onClick={() => actions.onOpen(job)}>
            Log and metrics
          </button>
        )}
        {!isOver(job) && !job.cancelling && (
          <button className="hbn-button" disabled={busy} onClick={() => void attempt(end)}>
            Cancel…
          </button>
        )}
        <button
          className="hbn-button"
          disabled={busy}
          title="The same again, in the very environment it ran in"
          onClick={() => void attempt(again)}
        >
          Run again
        </button>
      </div>
      {problem !== null && <Problem error={problem} />}
      {job.outputs.length > 0 && (
        <>
          <h4>Outputs</h4>
          <ul className="hbn-Job-outputs" aria-label="Outputs">
            {job.outputs.map(output => (
              <Output
                key={output.path}
                job={job}
                output={output}
                busy={busy}
                onOpen={() => void attempt(async () => actions.onFile(await keep(job.id, output.path)))}
              />
            ))}
          </ul>
        </>
      )}
      {job.left_out.length > 0 && (
        <>
          <h4>Not kept</h4>
          <ul className="hbn-Job-outputs">
            {job.left_out.map(each => (
              <li key={each}>{each}</li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}

interface IOutputProps {
  job: IJob;
  output: IOutput;
  busy: boolean;
  onOpen: () => void;
}

function Output({ job, output, busy, onOpen }: IOutputProps): React.JSX.Element {
  return (
    <li>
      <button className="hbn-Job-output" disabled={busy} title={`Open ${output.path}; a copy is put into job-outputs/`} onClick={onOpen}>
        {output.path}
      </button>
      <span className="hbn-quiet">{bytes(output.size)}</span>
      <a href={downloadUrl(job.id, output.path)} download aria-label={`Download ${output.path}`}>
        Download
      </a>
    </li>
  );
}

/** In one line: what it takes, where it runs, when it was asked for. */
function facts({ id, profile, request, attempt, created_at }: IJob): string {
  const tries = request.retries || attempt > 1 ? `, attempt ${Math.max(attempt, 1)} of at most ${request.retries + 1}` : '';
  const known: Record<string, string> = { current: 'a notebook’s environment', profile: 'the profile’s own image' };
  const environment = known[request.env] ?? request.env.replace(':', ' ');
  return (
    `Job ${id}: profile ${profile}, in ${environment}, priority ${request.priority}, at most ` +
    `${duration(request.timeout_s)}${tries}. Submitted ${moment(created_at)}.`
  );
}
