/** What runs measured: a chart for each metric, several runs in one. */

import React from 'react';

import { Problem } from '../problem';
import { Chart } from './chart';
import { usePolled } from './following';
import { IJob, ISeries, isOver, metrics } from './jobs';

const [EVERY_MS, AT_ONCE] = [5000, 8];

/** At most eight of the jobs are asked for. */
export function Measured({ jobs, isShown }: { jobs: IJob[]; isShown: () => boolean }): React.JSX.Element | null {
  const asked = jobs.slice(0, AT_ONCE);
  const every = asked.every(isOver) ? null : EVERY_MS;
  const key = asked.map(({ id, state }) => `${id}/${isOver({ state })}`).join(' ');
  const { found, problem, again } = usePolled(key, () => inOrder(asked), every, isShown);
  const names = [...new Set((found ?? []).flatMap(series => series.map(({ name }) => name)))].sort();
  if (problem !== null) {
    return <Problem error={problem} onAgain={again} />;
  }
  if (names.length === 0) {
    return jobs.length > 1 && found ? (
      <p className="hbn-note">
        None of these jobs logged a metric. A job logs one by <code>hubernate.log_metric("loss", 0.5, step=1)</code>.
      </p>
    ) : null;
  }
  return (
    <section className="hbn-Measured" aria-label="Metrics">
      {names.map(name => (
        <Chart
          key={name}
          title={name}
          runs={asked
            .map((job, at) => ({
              name: jobs.length > 1 ? `${job.label} ${job.id}` : job.label,
              points: found?.[at].find(series => series.name === name)?.points ?? []
            }))
            .filter(({ points }) => jobs.length > 1 || points.length > 0)}
        />
      ))}
    </section>
  );
}

async function inOrder(jobs: IJob[]): Promise<ISeries[][]> {
  const found: ISeries[][] = [];
  for (const { id } of jobs) {
    found.push(await metrics(id));
  }
  return found;
}
