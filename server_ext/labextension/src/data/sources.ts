/** The team's sources as the platform tells of them, and the few things that are asked of them. */

import { PageConfig, URLExt } from '@jupyterlab/coreutils';

import { ask, askFor } from '../platform';

/** `state` other than `closed`: it did not answer lately and is left alone for a moment; `why` says what happened. */
export interface ISource {
  name: string;
  title: string;
  description: string;
  kind: string;
  level: 'read' | 'write';
  state: string;
  why: string;
}

/** `path` is relative to the source, `size` in bytes. */
export interface IEntry {
  path: string;
  type: 'file' | 'folder' | 'table';
  size: number | null;
  modified_at: string | null;
}

export interface IListing {
  entries: IEntry[];
  next: string;
}

export interface IColumn {
  name: string;
  type: string;
  nullable: boolean | null;
  partition: boolean;
}

export type Cell = string | number | boolean | null;

/** The first rows of what `path` stands for; `stale`: older ones, because the source does not answer now. */
export interface ISample {
  path: string;
  taken_at: string;
  stale: boolean;
  why_stale: string;
  found: { columns: string[]; rows: Cell[][]; format: string; note: string };
}

export interface ISchema {
  found: { columns: IColumn[]; format: string; rows: number | null };
  drift: string[];
}

/** What a table, file or folder looks like. */
export interface ILook {
  sample: ISample;
  schema: ISchema;
}

/** One thing in the tree: a source (its `path` empty), or something in it. */
export interface IPlace {
  source: ISource;
  path: string;
  type: 'source' | IEntry['type'];
  size: number | null;
  modified: string | null;
}

const PAGE = 100;
const DATABASES = ['postgresql', 'mariadb'];
/** None that can hold a script, such as svg: opened in a tab of its own it would run with this page's rights. */
const PICTURES: Record<string, string> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp'
};
/** What the notebook's server passes on of one file (`hubernate_server.data.SHOWN_MAX`). */
const SHOWN_MAX = 8 * 1024 ** 2;

export const isDatabase = (source: ISource): boolean => DATABASES.includes(source.kind);

export const nameOf = (place: IPlace): string => place.path.split('/').pop() || place.source.name;

export const uriOf = (place: IPlace): string => `hub://${place.source.name}/${place.path}`;

/** Whether files can be put into it: the person may, and it is of a kind that takes files. */
export const takesFiles = ({ source, type }: IPlace): boolean =>
  source.level === 'write' && ['s3', 'files'].includes(source.kind) && ['source', 'folder'].includes(type);

export async function sources(): Promise<ISource[]> {
  return (await ask<{ items: ISource[] }>('sources')).items;
}

/** One page of a folder, or of a database's tables; `after` is the page before's `next`. */
export async function entries(place: IPlace, after: string): Promise<IListing> {
  return ask(`sources/${place.source.name}/entries${query({ path: place.path, after, limit: String(PAGE) })}`);
}

/** Schema and first rows; `fresh` asks the source and not the platform's memory. */
export async function look(place: IPlace, fresh: boolean): Promise<ILook> {
  const end = query({ path: place.path, fresh: String(fresh) });
  // One after the other: the first lets the platform look, the second finds what it saw.
  const sample = await ask<ISample>(`sources/${place.source.name}/sample${end}`);
  const schema = await ask<ISchema>(`sources/${place.source.name}/schema${query({ path: place.path })}`);
  return { sample, schema };
}

/** The media type of a file that can be shown as a picture; empty: it cannot. */
export function pictureType(place: IPlace): string {
  const ending = place.path.split('.').pop()?.toLowerCase() ?? '';
  return place.type === 'file' && (place.size ?? Infinity) <= SHOWN_MAX ? PICTURES[ending] ?? '' : '';
}

export async function picture(place: IPlace): Promise<Blob> {
  const answer = await askFor(`sources/${place.source.name}/object${query({ path: place.path })}`);
  return new Blob([await answer.arrayBuffer()], { type: pictureType(place) });
}

/**
 * Put `file` into a folder, under its own name, where there is none of that name.
 *
 * @param told called with the share that has been sent, 0 to 1.
 * @throws Error with the platform's own words; then nothing was changed.
 */
export function upload(folder: IPlace, file: File, told: (share: number) => void, stop: AbortSignal): Promise<void> {
  const path = folder.path ? `${folder.path}/${file.name}` : file.name;
  const url = URLExt.join(PageConfig.getBaseUrl(), `hubernate/api/sources/${folder.source.name}/object`);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // `fetch` does not say how much of a body has been sent
    request.open('PUT', url + query({ path }));
    request.setRequestHeader('If-None-Match', '*');
    request.setRequestHeader('Content-Type', 'application/octet-stream');
    request.setRequestHeader('X-XSRFToken', /\b_xsrf=([^;]*)/.exec(document.cookie)?.[1] ?? '');
    request.upload.onprogress = event => told(event.total ? event.loaded / event.total : 0);
    request.onload = () => (request.status < 300 ? resolve() : reject(new Error(words(request))));
    request.onerror = () => reject(new Error('the connection broke off; nothing was changed'));
    request.onabort = () => reject(new DOMException('stopped', 'AbortError'));
    stop.addEventListener('abort', () => request.abort());
    request.send(file);
  });
}

function words(request: XMLHttpRequest): string {
  try {
    const said = JSON.parse(request.responseText);
    return said.detail ?? said.message;
  } catch {
    return `it answered ${request.status}`;
  }
}

function query(values: Record<string, string>): string {
  const given = Object.entries(values).filter(([, value]) => value && value !== 'false');
  return given.length ? `?${new URLSearchParams(given)}` : '';
}
