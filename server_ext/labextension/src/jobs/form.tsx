/** "Run as job": a form made from the platform's own schema of each kind. */

import { ReactWidget } from '@jupyterlab/ui-components';
import React from 'react';

import { bytes } from '../data/statistics';
import { Problem } from '../problem';
import { Field, ListInput } from './fields';
import { isRefusal, usePolled } from './following';
import { jobsIcon } from './icons';
import { IJob, IKind, IPlan, ISchema, kinds, newId, plan, submit } from './jobs';
import { changed, Parameters } from './parameters';

const FIRST = ['env', 'profile', 'outputs'];
const OURS = ['id', 'files', 'work', 'kind'];
const PARAMETERS = 'work.parameters';
const TYPING_MS = 500;

export interface IFormActions {
  /** Write what is not saved yet of a file that is open; whether there was anything. */
  save: (path: string) => Promise<boolean>;
  onSubmitted: (job: IJob) => void;
  onCancel: () => void;
}

export class JobForm extends ReactWidget {
  /** @param path the file that is to be run; empty: it is asked for. */
  constructor(
    private readonly _path: string,
    private readonly _actions: Omit<IFormActions, 'onCancel'>
  ) {
    super();
    this.id = `hubernate-job-form-${newId()}`;
    this.addClass('hbn-Form');
    this.title.label = _path ? `Run ${_path.split('/').pop()}` : 'Run as job';
    this.title.caption = 'Run a file as a job';
    this.title.icon = jobsIcon;
    this.title.closable = true;
  }

  render(): React.JSX.Element {
    return <Form first={this._path} {...this._actions} onCancel={() => this.dispose()} />;
  }
}

/** A kind that runs the file, and its option that takes the file's name. */
interface IChosen {
  kind: IKind;
  main: string;
}

function fitting(all: IKind[], path: string): IChosen[] {
  return all.flatMap(kind => {
    const options = Object.entries(kind.schema.properties?.work.properties ?? {});
    const main = options.find(([, { format, pattern }]) => format === 'path' && new RegExp(pattern ?? '').test(path));
    return main ? [{ kind, main: main[0] }] : [];
  });
}

function resolved(schema: ISchema, whole: ISchema): ISchema {
  const name = schema.$ref?.split('/').pop();
  return name ? { ...whole.$defs?.[name], ...schema, $ref: undefined } : schema;
}

type Values = Record<string, unknown>;

function Form({ first, save, onSubmitted, onCancel }: { first: string } & IFormActions): React.JSX.Element {
  const known = usePolled('kinds', kinds, null);
  const [path, setPath] = React.useState(first);
  const [which, setWhich] = React.useState('');
  const [values, setValues] = React.useState<Values>({});
  const [patterns, setPatterns] = React.useState<string[] | null>(null);
  const [asked, setAsked] = React.useState({ path: first, patterns: null as string[] | null });
  const [problem, setProblem] = React.useState<unknown>(null);
  const [busy, setBusy] = React.useState(false);
  // The same request keeps its id, so that one whose answer was lost is not made twice; another one has another.
  const id = React.useRef('');
  React.useEffect(() => {
    id.current = newId();
  }, [path, which, values, patterns]);

  React.useEffect(() => {
    const timer = window.setTimeout(() => setAsked({ path, patterns }), TYPING_MS);
    return () => clearTimeout(timer);
  }, [path, patterns]);
  const look = (): Promise<IPlan | null> => (asked.path ? plan(asked.path, asked.patterns) : Promise.resolve(null));
  const planned = usePolled(JSON.stringify(asked), look, null);

  const possible = fitting(known.found ?? [], path);
  const chosen = possible.find(({ kind }) => kind.name === which) ?? possible[0];
  const set = (key: string, value: unknown): void => setValues({ ...values, [key]: value });
  const wrong = fieldOf(problem);

  const send = async (): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      if (await save(path)) {
        id.current = newId();
      }
      const request = { ...requestOf(chosen, values, path, planned.found?.parameters ?? {}), id: id.current };
      onSubmitted(await submit(path, patterns, request));
      return;
    } catch (error) {
      if (isRefusal(error)) {
        id.current = newId();
      }
      setProblem(error);
    }
    setBusy(false);
  };
  const field = (key: string, schema: ISchema, start?: unknown): React.JSX.Element => (
    <Field
      key={`${chosen.kind.name} ${key} ${start === undefined ? '' : asked.path}`}
      name={key.split('.').pop() ?? key}
      schema={schema}
      value={key in values ? values[key] : start ?? schema.default}
      problem={wrong.field === key ? wrong.reason : ''}
      onChange={value => set(key, value)}
    />
  );
  return (
    <form
      aria-label="Run as job"
      onSubmit={event => {
        event.preventDefault();
        void send();
      }}
    >
      <h2>Run as a job</h2>
      <p className="hbn-quiet">
        It runs in a container of its own, in your team’s queue, to its end; you go on here, or close JupyterLab.
      </p>
      <div className="hbn-Form-field">
        <label htmlFor="hbn-job-path">Script or notebook</label>
        <input
          id="hbn-job-path"
          className="hbn-input"
          spellCheck={false}
          placeholder="folder/train.py"
          value={path}
          onChange={event => {
            setPath(event.target.value);
            setValues(({ [PARAMETERS]: another, ...rest }) => rest);
          }}
        />
      </div>
      {known.problem !== null && <Problem error={known.problem} onAgain={known.again} />}
      {known.found && path && !chosen && (
        <p className="hbn-Form-wrong">No kind of job runs such a file. A script ends in .py or .sh, a notebook in .ipynb.</p>
      )}
      {possible.length > 1 && (
        <div className="hbn-Form-field">
          <label htmlFor="hbn-job-kind">Kind</label>
          <select id="hbn-job-kind" className="hbn-input" value={chosen.kind.name} onChange={event => setWhich(event.target.value)}>
            {possible.map(({ kind }) => (
              <option key={kind.name} value={kind.name}>
                {kind.title}
              </option>
            ))}
          </select>
        </div>
      )}
      {chosen && (
        <>
          {Object.entries(chosen.kind.schema.properties?.work.properties ?? {})
            .filter(([name]) => !OURS.includes(name) && name !== chosen.main)
            .map(([name, schema]) =>
              field(`work.${name}`, resolved(schema, chosen.kind.schema), `work.${name}` === PARAMETERS ? planned.found?.parameters : undefined)
            )}
          <Sent planned={planned.found} problem={planned.problem} patterns={patterns} onChange={setPatterns} />
          {options(chosen.kind, true).map(([name, schema]) => field(name, schema))}
          <details>
            <summary>More options</summary>
            {options(chosen.kind, false).map(([name, schema]) => field(name, schema))}
          </details>
        </>
      )}
      {problem !== null && !(chosen && shownAt(wrong.field, chosen)) && <Problem error={problem} />}
      <div className="hbn-actions">
        <button className="hbn-button hbn-mod-first" type="submit" disabled={busy || !chosen || planned.problem !== null}>
          {busy ? 'Sending…' : 'Submit'}
        </button>
        <button className="hbn-button" type="button" onClick={onCancel}>
          Close
        </button>
      </div>
    </form>
  );
}

interface ISentProps {
  planned: IPlan | null;
  problem: unknown;
  patterns: string[] | null;
  onChange: (patterns: string[] | null) => void;
}

/** Which files go along, with their size. */
function Sent({ planned, problem, patterns, onChange }: ISentProps): React.JSX.Element {
  return (
    <fieldset className="hbn-Form-field">
      <legend>Files that go along</legend>
      <label>
        <input type="radio" checked={patterns === null} onChange={() => onChange(null)} /> The Python modules beside it
      </label>
      <label>
        <input type="radio" checked={patterns !== null} onChange={() => onChange([])} /> These files, folders and patterns
      </label>
      {patterns !== null && (
        <ListInput common={{ id: 'hbn-job-files', className: 'hbn-input' }} value={patterns} onChange={onChange} />
      )}
      {problem !== null && <Problem error={problem} />}
      {planned && problem === null && (
        <details className="hbn-quiet">
          <summary>
            {planned.count} {planned.count === 1 ? 'file' : 'files'}, {bytes(planned.bytes)}
          </summary>
          <ul>
            {planned.files.map(({ path, size }) => (
              <li key={path}>
                {path} <span>{bytes(size)}</span>
              </li>
            ))}
            {planned.count > planned.files.length && <li>and {planned.count - planned.files.length} more</li>}
          </ul>
        </details>
      )}
    </fieldset>
  );
}

function options(kind: IKind, first: boolean): [string, ISchema][] {
  const all = kind.schema.properties ?? {};
  const names = first ? FIRST : Object.keys(all).filter(name => !FIRST.includes(name) && !OURS.includes(name));
  return names.filter(name => name in all).map(name => [name, resolved(all[name], kind.schema)]);
}

/** What was changed by hand; the rest is the platform's to fill in, but what the form showed as chosen. */
function requestOf({ kind, main }: IChosen, values: Values, path: string, own: Parameters): object {
  const work: Values = { kind: kind.name, [main]: path.split('/').pop() };
  const request: Values = { env: kind.schema.properties?.env?.default };
  for (const [key, value] of Object.entries(values)) {
    if (value === undefined || value === null) {
      continue;
    }
    if (!key.startsWith('work.')) {
      request[key] = value;
    } else if (key.slice(5) in (kind.schema.properties?.work.properties ?? {})) {
      work[key.slice(5)] = key === PARAMETERS ? changed(value as Parameters, own) : value;
    }
  }
  return { ...request, work };
}

/** `timeout_s: too long` → the field and the reason, where the platform named one. */
function fieldOf(problem: unknown): { field: string; reason: string } {
  const found = problem instanceof Error ? /^([a-z_.]+): ([\s\S]*)$/.exec(problem.message) : null;
  return { field: found?.[1] ?? '', reason: found?.[2] ?? '' };
}

/** Whether a field that can be seen says what is wrong with it. */
function shownAt(field: string, { kind, main }: IChosen): boolean {
  const work = Object.keys(kind.schema.properties?.work.properties ?? {}).filter(name => !OURS.includes(name) && name !== main);
  return FIRST.includes(field) || work.some(name => field === `work.${name}`);
}
