/** In the main area: one job with metrics and log, or several compared. */

import { ReactWidget } from '@jupyterlab/ui-components';
import React from 'react';

import { Problem } from '../problem';
import { Details, IJobActions } from './details';
import { isGone, useLog, usePolled } from './following';
import { jobsIcon } from './icons';
import { IJob, isOver, one } from './jobs';
import { Log, textOf } from './log';
import { Measured } from './measured';
import { progress } from './words';

const [EVERY_MS, COMPARED_EVERY_MS, LINES, BEGIN_BYTES] = [1000, 5000, 2000, 256 * 1024];

/** One job. */
export class JobView extends ReactWidget {
  constructor(
    private readonly _job: IJob,
    private readonly _actions: IJobActions
  ) {
    super();
    this.id = `hubernate-job-${_job.id}`;
    this.addClass('hbn-JobView');
    this.title.label = _job.label;
    this.title.caption = `Job ${_job.id}`;
    this.title.icon = jobsIcon;
    this.title.closable = true;
  }

  render(): React.JSX.Element {
    return <One first={this._job} actions={this._actions} isShown={() => this.isVisible} />;
  }
}

/** Several jobs, their metrics in the same charts. */
export class ComparedView extends ReactWidget {
  constructor(private readonly _jobs: IJob[]) {
    super();
    this.id = `hubernate-jobs-${_jobs.map(({ id }) => id).join('-')}`;
    this.addClass('hbn-JobView');
    this.title.label = `${_jobs.length} jobs compared`;
    this.title.icon = jobsIcon;
    this.title.closable = true;
  }

  render(): React.JSX.Element {
    return <Compared first={this._jobs} isShown={() => this.isVisible} />;
  }
}

function Compared({ first, isShown }: { first: IJob[]; isShown: () => boolean }): React.JSX.Element {
  const [jobs, setJobs] = React.useState(first);
  const look = async (): Promise<void> => {
    const next: IJob[] = [];
    for (const job of jobs) {
      next.push(isOver(job) ? job : await one(job.id));
    }
    setJobs(next);
  };
  const going = jobs.filter(job => !isOver(job)).map(({ id }) => id);
  usePolled(going.join(' '), look, going.length ? COMPARED_EVERY_MS : null, isShown);
  return <Measured jobs={jobs} isShown={isShown} />;
}

interface IOneProps {
  first: IJob;
  actions: IJobActions;
  isShown: () => boolean;
}

function One({ first, actions, isShown }: IOneProps): React.JSX.Element {
  const [over, setOver] = React.useState(isOver(first));
  const { found, problem } = usePolled(`${first.id} ${over}`, () => one(first.id), over ? null : EVERY_MS, isShown);
  const known = React.useRef(first);
  known.current = found ?? known.current;
  const job = known.current;
  React.useEffect(() => setOver(isOver(job)), [job.state]);
  const log = useLog(job.id, BEGIN_BYTES, LINES, isShown);
  const share = job.state === 'running' ? progress(log.lines.slice(-20).map(textOf)) : null;
  return (
    <>
      {problem !== null && <Problem error={problem} />}
      <Details job={job} now={Date.now()} actions={actions} isOpen share={share} />
      {!isGone(problem) && (
        <>
          <Measured jobs={[job]} isShown={isShown} />
          <Log log={log} />
        </>
      )}
    </>
  );
}
