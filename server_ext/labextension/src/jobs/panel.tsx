/** The side bar's panel: one's jobs and the team's, as they are now. */

import { addIcon, ReactWidget } from '@jupyterlab/ui-components';
import { Message } from '@lumino/messaging';
import React from 'react';

import { Problem } from '../problem';
import { Details, IJobActions } from './details';
import { usePolled } from './following';
import { jobsIcon } from './icons';
import { IInLine, IJob, line, mine } from './jobs';
import { Mark } from './state';
import { age, standing } from './words';

const [EVERY_MS, PAGE, MOST] = [5000, 100, 500];

export interface IPanelActions extends IJobActions {
  onNew: () => void;
  onCompare: (jobs: IJob[]) => void;
}

export class JobsPanel extends ReactWidget {
  private _chosen = { id: '' };

  constructor(private readonly _actions: IPanelActions) {
    super();
    this.id = 'hubernate-jobs';
    this.addClass('hbn-Data');
    this.title.icon = jobsIcon;
    this.title.caption = 'Jobs';
  }

  /** Select a job, by its id, and look at it anew. */
  choose(id: string): void {
    this._chosen = { id };
    this.update();
  }

  render(): React.JSX.Element {
    return <Panel chosen={this._chosen} actions={this._actions} isShown={() => this.isVisible} />;
  }

  protected onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.update();
  }
}

interface IProps {
  chosen: { id: string };
  actions: IPanelActions;
  isShown: () => boolean;
}

function Panel({ chosen, actions, isShown }: IProps): React.JSX.Element {
  const [whose, setWhose] = React.useState<'mine' | 'team'>('mine');
  const [filter, setFilter] = React.useState('');
  const [selected, setSelected] = React.useState<string[]>([]);
  const [limit, setLimit] = React.useState(PAGE);
  React.useEffect(() => {
    if (chosen.id) {
      setWhose('mine');
      setSelected([chosen.id]);
    }
  }, [chosen]);
  const shown = isShown();
  const own = usePolled(`mine ${limit}`, () => mine(limit), whose === 'mine' && shown ? EVERY_MS : null, isShown);
  const team = usePolled('team', line, whose === 'team' && shown ? EVERY_MS : null, () => whose === 'team' && isShown());
  React.useEffect(() => (shown ? (whose === 'mine' ? own : team).again() : undefined), [whose, shown, chosen]);

  const now = Date.now();
  const fits = (...words: string[]): boolean =>
    filter.toLowerCase().split(/\s+/).every(part => words.join(' ').toLowerCase().includes(part));
  const jobs = own.found?.items.filter(job => fits(job.label, job.state, job.profile, job.id));
  const others = team.found?.filter(job => fits(job.user, job.state, job.profile, job.priority));
  const known = own.found?.items.filter(({ id }) => selected.includes(id)) ?? [];
  const { found, problem, again } = whose === 'mine' ? own : team;
  return (
    <>
      <header className="hbn-head">
        <h2>Jobs</h2>
        <button className="hbn-button" title="Run a file as a job" aria-label="Run a file as a job" onClick={actions.onNew}>
          <addIcon.react tag="span" />
        </button>
      </header>
      <div className="hbn-Jobs-tools">
        <div className="hbn-Jobs-whose" role="group" aria-label="Whose jobs">
          {(['mine', 'team'] as const).map(each => (
            <button key={each} className="hbn-button" aria-pressed={whose === each} onClick={() => setWhose(each)}>
              {each === 'mine' ? 'Mine' : 'Team’s'}
            </button>
          ))}
        </div>
        <input
          type="search"
          className="hbn-input"
          placeholder="Filter: name, state, profile"
          aria-label="Filter"
          value={filter}
          onChange={event => setFilter(event.target.value)}
        />
      </div>
      {problem !== null && <Problem error={problem} onAgain={again} />}
      {problem === null && found === null && (
        <p className="hbn-note" role="status">
          Loading…
        </p>
      )}
      {whose === 'team' && others && <Team jobs={others} now={now} filtered={filter !== ''} />}
      {whose === 'mine' && jobs && jobs.length === 0 && <Nothing filtered={filter !== ''} onNew={actions.onNew} />}
      {whose === 'mine' && jobs && jobs.length > 0 && (
        <ul
          className="hbn-Jobs-list"
          role="listbox"
          aria-label="My jobs"
          aria-multiselectable
          tabIndex={known.length ? -1 : 0}
          onFocus={event =>
            event.target === event.currentTarget &&
            event.currentTarget.querySelector<HTMLElement>('[role=option]')?.focus()
          }
        >
          {jobs.map(job => (
            <Item
              key={job.id}
              job={job}
              now={now}
              selected={selected.includes(job.id)}
              reachable={selected[0] === job.id}
              onSelect={(id, more) =>
                setSelected(!more ? [id] : selected.includes(id) ? selected.filter(each => each !== id) : [...selected, id])
              }
              onOpen={() => actions.onOpen(job)}
            />
          ))}
          {own.found && own.found.total > limit && limit < MOST && (
            <li role="presentation">
              <button className="hbn-more" onClick={() => setLimit(Math.min(MOST, limit + PAGE))}>
                Show older
              </button>
            </li>
          )}
        </ul>
      )}
      {whose === 'mine' && known.length === 1 && (
        <div className="hbn-Data-details">
          <Details job={known[0]} now={now} actions={actions} />
        </div>
      )}
      {whose === 'mine' && known.length > 1 && (
        <div className="hbn-Data-details">
          <p>{known.length} jobs selected</p>
          <button className="hbn-button hbn-mod-first" onClick={() => actions.onCompare(known)}>
            Compare metrics
          </button>
        </div>
      )}
    </>
  );
}

interface IItemProps {
  job: IJob;
  now: number;
  selected: boolean;
  reachable: boolean;
  onSelect: (id: string, more: boolean) => void;
  onOpen: () => void;
}

function Item({ job, now, selected, reachable, onSelect, onOpen }: IItemProps): React.JSX.Element {
  const onKey = (event: React.KeyboardEvent): void => {
    const here = event.currentTarget;
    const steps: Record<string, Element | null | undefined> = {
      ArrowDown: here.nextElementSibling,
      ArrowUp: here.previousElementSibling,
      Home: here.parentElement?.firstElementChild,
      End: [...(here.parentElement?.querySelectorAll('[role=option]') ?? [])].pop()
    };
    if (event.key in steps) {
      const next = steps[event.key] as HTMLElement | null | undefined;
      if (next?.dataset.job) {
        next.focus();
        onSelect(next.dataset.job, event.shiftKey);
      }
    } else if (event.key === 'Enter') {
      onOpen();
    } else if (event.key === ' ') {
      onSelect(job.id, event.ctrlKey || event.shiftKey);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };
  const why = job.state === 'queued' || job.state === 'failed' ? job.why : '';
  return (
    <li
      className="hbn-Jobs-item"
      role="option"
      data-job={job.id}
      aria-selected={selected}
      tabIndex={reachable ? 0 : -1}
      title={`${job.label}, job ${job.id}. With Ctrl several are selected.`}
      onClick={event => onSelect(job.id, event.ctrlKey || event.metaKey || event.shiftKey)}
      onDoubleClick={onOpen}
      onKeyDown={onKey}
    >
      <Mark state={job.state} />
      <span className="hbn-name">{job.label}</span>
      <span className="hbn-mark">{age(job, now)}</span>
      <span className="hbn-Jobs-line">
        {job.cancelling && job.state !== 'cancelled' ? 'being cancelled' : standing(job, now)}
        {why && `: ${why}`}
      </span>
    </li>
  );
}

function Team({ jobs, now, filtered }: { jobs: IInLine[]; now: number; filtered: boolean }): React.JSX.Element {
  if (jobs.length === 0) {
    return <p className="hbn-note">{filtered ? 'No job of the team fits the filter.' : 'Nobody in the team runs a job or waits for one.'}</p>;
  }
  return (
    <ul className="hbn-Jobs-list" aria-label="The team’s jobs">
      {jobs.map(job => (
        <li key={job.id} className="hbn-Jobs-item" title={job.why}>
          <Mark state={job.state} />
          <span className="hbn-name">{job.yours ? 'You' : job.user}</span>
          <span className="hbn-mark">{age(job, now)}</span>
          <span className="hbn-Jobs-line">
            {standing(job, now)} · {job.profile}
            {job.priority !== 'normal' && ` · ${job.priority} priority`}
            {job.why && `: ${job.why}`}
          </span>
        </li>
      ))}
    </ul>
  );
}

function Nothing({ filtered, onNew }: { filtered: boolean; onNew: () => void }): React.JSX.Element {
  if (filtered) {
    return <p className="hbn-note">No job of yours fits the filter.</p>;
  }
  return (
    <div className="hbn-note">
      <p>You have no job yet. One runs a script or notebook in a copy of this environment, while you go on.</p>
      <p>
        Right-click a file in the file browser and choose <em>Run as Job</em>, or call{' '}
        <code>hubernate.submit("train.py")</code>.
      </p>
      <button className="hbn-button hbn-mod-first" onClick={onNew}>
        Run a file as a job…
      </button>
    </div>
  );
}
