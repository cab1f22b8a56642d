/** Jobs as the platform's API gives them, and what is asked of it: by the notebook's own server. */

import { PageConfig, URLExt } from '@jupyterlab/coreutils';

import { ask, askFor } from '../platform';

export type State = 'queued' | 'starting' | 'running' | 'succeeded' | 'failed' | 'cancelled';

/** A file that was kept; `size` in bytes. */
export interface IOutput {
  path: string;
  size: number;
}

/** What everybody in the team sees of a job that waits or runs. Times are UTC. */
export interface IInLine {
  id: string;
  user: string;
  yours: boolean;
  state: State;
  priority: string;
  profile: string;
  position: number;
  of: number;
  why: string;
  created_at: string;
  started_at: string | null;
}

/** One's own job (`hubernate_core.job_view.Job`). */
export interface IJob {
  id: string;
  label: string;
  state: State;
  cancelling: boolean;
  why: string;
  position: number;
  of: number;
  attempt: number;
  profile: string;
  exit_code: number | null;
  outputs: IOutput[];
  left_out: string[];
  request: { env: string; priority: string; retries: number; timeout_s: number };
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
}

export interface IPart {
  content: Uint8Array;
  next: number;
  attempt: string;
  over: boolean;
}

export interface ISeries {
  name: string;
  points: { step: number; value: number; at: string }[];
}

/** A JSON Schema, as far as a form needs it. */
export interface ISchema {
  $ref?: string;
  $defs?: Record<string, ISchema>;
  type?: string;
  title?: string;
  description?: string;
  default?: unknown;
  enum?: string[];
  oneOf?: { const: string; title: string }[];
  properties?: Record<string, ISchema>;
  items?: ISchema;
  required?: string[];
  minimum?: number;
  maximum?: number;
  maxLength?: number;
  format?: string;
  pattern?: string;
  unit?: string;
}

export interface IKind {
  name: string;
  title: string;
  schema: ISchema;
}

/** What would be sent with a job. `files` are the first of `count`; `bytes` those of all. */
export interface IPlan {
  files: IOutput[];
  count: number;
  bytes: number;
  parameters: Record<string, unknown>;
}

export const isOver = ({ state }: { state: State }): boolean => ['succeeded', 'failed', 'cancelled'].includes(state);

export const isId = (text: unknown): text is string => typeof text === 'string' && /^[a-z][a-z0-9]{9}$/.test(text);

/** An id for a job that is to be made: chosen once, so that asking twice is asking once. */
export function newId(): string {
  const letters = 'abcdefghijklmnopqrstuvwxyz0123456789';
  const random = crypto.getRandomValues(new Uint32Array(10));
  return [...random].map((number, at) => letters[number % (at === 0 ? 26 : 36)]).join('');
}

export const mine = (limit: number): Promise<{ items: IJob[]; total: number }> => ask(`jobs?limit=${limit}`);

export const line = async (): Promise<IInLine[]> => (await ask<{ items: IInLine[] }>('jobs/line')).items;

export const kinds = async (): Promise<IKind[]> => (await ask<{ kinds: IKind[] }>('jobs/kinds')).kinds;

export const one = (id: string): Promise<IJob> => ask(`jobs/${id}`);

export const cancel = (id: string): Promise<IJob> => ask(`jobs/${id}/cancel`, {});

/** The same again, as the job `next`. */
export const rerun = (id: string, next: string): Promise<IJob> => ask(`jobs/${id}/rerun`, { id: next });

export const plan = (path: string, files: string[] | null): Promise<IPlan> => ask('job-files', { path, files });

/** Pack the files and submit; the same request under the same id again is the same job. */
export const submit = (path: string, files: string[] | null, request: object): Promise<IJob> =>
  ask('jobs', { path, files, request });

/** Copy an output into the home, where it is not yet; its path there. */
export const keep = async (id: string, path: string): Promise<string> =>
  (await ask<{ path: string }>(`jobs/${id}/output`, { path })).path;

export const downloadUrl = (id: string, path: string): string =>
  URLExt.join(PageConfig.getBaseUrl(), `hubernate/api/jobs/${id}/output`) + `?${new URLSearchParams({ path })}`;

/** A piece of the log, of 1 MiB at most, not before its last `tail` bytes (0: all); empty: nothing more was written yet. */
export async function logPart(id: string, offset: number, tail = 0): Promise<IPart> {
  const answer = await askFor(`jobs/${id}/log?offset=${offset}&tail=${tail}`);
  return {
    content: new Uint8Array(await answer.arrayBuffer()),
    next: Number(answer.headers.get('Log-Next')),
    attempt: answer.headers.get('Log-Attempt') ?? '',
    over: answer.headers.get('Log-Over') !== null
  };
}

/** What the job measured. */
export const metrics = async (id: string): Promise<ISeries[]> => (await ask<{ series: ISeries[] }>(`jobs/${id}/metrics`)).series;
