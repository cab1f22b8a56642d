/** How a job is told: pure. */

import { IInLine, IJob, isOver } from './jobs';

const UNITS: [string, number][] = [
  ['d', 86_400],
  ['h', 3600],
  ['min', 60],
  ['s', 1]
];

/** `3725` seconds → `1 h 2 min`: the two largest units. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const first = UNITS.findIndex(([, size]) => whole >= size);
  if (first < 0) {
    return 'under 1 s';
  }
  const [unit, size] = UNITS[first];
  const rest = UNITS[first + 1];
  const more = rest ? Math.floor((whole % size) / rest[1]) : 0;
  return `${Math.floor(whole / size)} ${unit}${more ? ` ${more} ${rest[0]}` : ''}`;
}

const seconds = (from: string, to: string | null, now: number): number =>
  ((to ? Date.parse(to) : now) - Date.parse(from)) / 1000;

/** When it was asked for. */
export const age = (job: { created_at: string }, now: number): string =>
  seconds(job.created_at, null, now) < 10 ? 'now' : `${duration(seconds(job.created_at, null, now))} ago`;

/** `2026-11-25 17:04:10 UTC`. */
export const moment = (time: string): string => `${new Date(time).toISOString().slice(0, 19).replace('T', ' ')} UTC`;

/** Its state with its place in the queue, or for how long. */
export function standing(job: IJob | IInLine, now: number): string {
  if (job.state === 'queued') {
    return job.position ? `queued, ${job.position} of ${job.of}` : 'queued';
  }
  if (!job.started_at) {
    return job.state;
  }
  const finished = 'finished_at' in job ? job.finished_at : null;
  return `${job.state}${isOver(job) ? ' after' : ' for'} ${duration(seconds(job.started_at, finished, now))}`;
}

/** The share that its newest lines tell, 0 to 1: `45%`, as tqdm writes, or `[cell 3 of 10]`; null: they tell none. */
export function progress(lines: string[]): number | null {
  for (const text of [...lines].reverse()) {
    const cell = /^\[cell (\d+) of (\d+)\]$/.exec(text);
    if (cell) {
      return (Number(cell[1]) - 1) / Number(cell[2]);
    }
    const share = /(?:^|[^\d.])(\d{1,2}|100)(?:\.\d+)?\s?%/.exec(text);
    if (share) {
      return Number(share[1]) / 100;
    }
  }
  return null;
}
