/** What is looked at again and again while it is shown. A tab that nobody sees asks nothing. */

import React from 'react';

import { ILook, ISpan, PLAIN, read } from './ansi';
import { logPart } from './jobs';

export interface IPolled<T> {
  found: T | null;
  problem: unknown;
  again: () => void;
}

const statusOf = (problem: unknown): number => (problem as { response?: Response } | null)?.response?.status ?? 0;

export const isGone = (problem: unknown): boolean => statusOf(problem) === 404;

/** The platform understood, and did nothing; otherwise the answer may have been lost. */
export const isRefusal = (problem: unknown): boolean => statusOf(problem) >= 400 && statusOf(problem) < 500;

let last: Promise<unknown> = Promise.resolve();

/** One after another: a browser has six connections to a host, and JupyterLab needs them. */
function inTurn<T>(ask: () => Promise<T>): Promise<T> {
  const mine = last.then(ask, ask);
  last = mine;
  return mine;
}

/**
 * The newest answer of `ask`, asked again `everyMs` after each answer, until there is no such thing; null: once.
 *
 * @param key another one: what was found belongs to something else, and is dropped.
 * @param isShown whether anybody sees it.
 */
export function usePolled<T>(
  key: string,
  ask: () => Promise<T>,
  everyMs: number | null,
  isShown: () => boolean = () => true
): IPolled<T> {
  const [known, setKnown] = React.useState<{ key: string; found: T | null; problem: unknown }>();
  const [times, setTimes] = React.useState(0);
  React.useEffect(() => {
    let wanted = true;
    let timer = 0;
    const look = async (): Promise<void> => {
      let more = true;
      if (!document.hidden && isShown()) {
        more = everyMs !== null;
        try {
          const found = await (more ? inTurn(ask) : ask());
          wanted && setKnown({ key, found, problem: null });
        } catch (problem) {
          wanted && setKnown(before => ({ key, found: before?.key === key ? before.found : null, problem }));
          more &&= !isGone(problem);
        }
      }
      if (wanted && more) {
        timer = window.setTimeout(() => void look(), everyMs ?? PAUSE_MS);
      }
    };
    void look();
    return () => {
      wanted = false;
      clearTimeout(timer);
    };
  }, [key, everyMs, times]);
  const here = known?.key === key ? known : undefined;
  return { found: here?.found ?? null, problem: here?.problem ?? null, again: () => setTimes(times + 1) };
}

export interface ILine {
  /** Which one since the log was begun: a name for React. */
  number: number;
  spans: ISpan[];
}

export interface ILog {
  lines: ILine[];
  /** Lines before these are not held any more, or were never asked for. */
  cut: boolean;
  over: boolean;
  problem: unknown;
}

const LINE_MAX = 4000;
const [PAUSE_MS, AFTER_PROBLEM_MS] = [1000, 5000];

/** A log's newest lines, however long it is: at most `most` are held, each of 4,000 characters at most. */
export class Lines {
  private _done: ILine[] = [];
  private _last = '';
  private _look: ILook = PLAIN;
  private _number = 0;
  private _decoder = new TextDecoder();
  cut = false;

  constructor(private readonly _most: number) {}

  push(content: Uint8Array): void {
    const parts = (this._last + this._decoder.decode(content, { stream: true })).split('\n');
    this._last = (parts.pop() ?? '').slice(-LINE_MAX);
    this.cut ||= parts.length > this._most;
    parts.slice(-this._most).forEach(part => this._add(part));
    if (this._done.length > this._most) {
      this._done = this._done.slice(-this._most);
      this.cut = true;
    }
  }

  /** A line of ours between two attempts. */
  say(text: string): void {
    this.push(new TextEncoder().encode(`${this._last ? '\n' : ''}${text}\n`));
  }

  get shown(): ILine[] {
    const open = read(this._last, this._look).spans;
    return open.length ? [...this._done, { number: this._number, spans: open }] : this._done.slice();
  }

  private _add(text: string): void {
    const { spans, after } = read(text.slice(-LINE_MAX), this._look);
    this._done.push({ number: this._number++, spans });
    this._look = after;
  }
}

/** The log of a job from its last `tail` bytes on, followed until it is over, while it is shown. */
export function useLog(id: string, tail: number, most: number, isShown: () => boolean): ILog {
  const [log, setLog] = React.useState<ILog & { id: string }>({ id, ...NOTHING });
  React.useEffect(() => {
    let wanted = true;
    let timer = 0;
    let [offset, attempt] = [0, ''];
    const lines = new Lines(most);
    const look = async (): Promise<void> => {
      let pause = PAUSE_MS;
      try {
        const part = document.hidden || !isShown() ? null : await inTurn(() => logPart(id, offset, attempt ? 0 : tail));
        if (!wanted) {
          return;
        }
        if (part && attempt && part.attempt !== attempt) {
          if (attempt !== '0') {
            lines.say(`— attempt ${part.attempt} —`);
          }
          [offset, attempt, pause] = [0, part.attempt, 0];
        } else if (part) {
          lines.cut ||= attempt === '' && part.next > part.content.length;
          lines.push(part.content);
          [offset, attempt] = [part.next, part.attempt];
          setLog({ id, lines: lines.shown, cut: lines.cut, over: part.over, problem: null });
          if (part.over) {
            return;
          }
          pause = part.content.length > 512 * 1024 ? 0 : PAUSE_MS;
        }
      } catch (problem) {
        wanted && setLog({ id, lines: lines.shown, cut: lines.cut, over: false, problem });
        if (isGone(problem)) {
          return;
        }
        pause = AFTER_PROBLEM_MS;
      }
      if (wanted) {
        timer = window.setTimeout(() => void look(), pause);
      }
    };
    void look();
    return () => {
      wanted = false;
      clearTimeout(timer);
    };
  }, [id]);
  return log.id === id ? log : NOTHING;
}

const NOTHING: ILog = { lines: [], cut: false, over: false, problem: null };
