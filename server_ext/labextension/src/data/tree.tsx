/** Sources, folders and tables as a tree: a level is asked for when it is opened, a page at a time. */

import {
  caretDownIcon,
  caretRightIcon,
  fileIcon,
  folderIcon,
  imageIcon,
  LabIcon,
  spreadsheetIcon
} from '@jupyterlab/ui-components';
import React from 'react';

import { sourceIcon } from './icons';
import { entries, IEntry, IPlace, isDatabase, nameOf, pictureType, uriOf } from './sources';
import { Problem } from '../problem';

interface IProps {
  place: IPlace;
  level: number;
  selected: string;
  /** Another number: what is open is asked for again. */
  round: number;
  onSelect: (place: IPlace) => void;
  onOpen: (place: IPlace) => void;
  /** The source did not answer. */
  onTrouble: () => void;
}

type State = 'closed' | 'loading' | 'open';

const INDENT_PX = 14;
const TABLES = /\.(parquet|parq|csv|tsv|json|jsonl|ndjson)$/i;

/** A line of the tree and, where it is open, what is below it. */
export function Branch(props: IProps): React.JSX.Element {
  const { place, level, selected, round, onSelect, onOpen, onTrouble } = props;
  const [state, setState] = React.useState<State>('closed');
  const [found, setFound] = React.useState<IEntry[]>([]);
  const [next, setNext] = React.useState('');
  const [problem, setProblem] = React.useState<unknown>(null);
  const opens = canOpen(place);
  const indent = { paddingInlineStart: 8 + level * INDENT_PX };

  const load = async (after: string): Promise<void> => {
    setState('loading');
    setProblem(null);
    try {
      const page = await entries(place, after);
      setFound(known => (after ? [...known, ...page.entries] : page.entries));
      setNext(page.next);
    } catch (error) {
      setProblem(error);
      onTrouble();
    }
    setState('open');
  };
  React.useEffect(() => {
    if (state === 'open') {
      void load('');
    }
  }, [round]);
  const toggle = (): void => {
    if (state === 'closed') {
      void load('');
    } else {
      setState('closed');
    }
  };
  const onKey = (event: React.KeyboardEvent): void => {
    if (event.key === 'Enter' || event.key === ' ') {
      onSelect(place);
      if (event.key === 'Enter') {
        (opens ? toggle : () => onOpen(place))();
      }
    } else if (event.key === 'ArrowRight' && opens && state === 'closed') {
      toggle();
    } else if (event.key === 'ArrowLeft' && opens && state !== 'closed') {
      toggle();
    } else if (!move(event)) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };
  const isSelected = uriOf(place) === selected;
  const Icon = iconOf(place);
  const Caret = state === 'closed' ? caretRightIcon : caretDownIcon;
  return (
    <>
      <div
        role="treeitem"
        className="hbn-Data-item"
        aria-level={level + 1}
        aria-expanded={opens ? state !== 'closed' : undefined}
        aria-selected={isSelected}
        tabIndex={isSelected ? 0 : -1}
        title={uriOf(place)}
        style={indent}
        draggable
        onDragStart={event => event.dataTransfer.setData('text/plain', JSON.stringify(uriOf(place)))}
        onClick={event => {
          event.currentTarget.focus();
          onSelect(place);
          if (opens) {
            toggle();
          }
        }}
        onDoubleClick={() => !opens && onOpen(place)}
        onKeyDown={onKey}
      >
        <span className="hbn-Data-caret">{opens && <Caret.react tag="span" />}</span>
        <Icon.react tag="span" className="hbn-icon" />
        <span className="hbn-name">{place.type === 'source' ? place.source.name : nameOf(place)}</span>
        {place.type === 'source' && <Mark place={place} />}
      </div>
      {state !== 'closed' && (
        <div role="group">
          {found.map(each => (
            <Branch {...props} key={each.path} place={inside(place, each)} level={level + 1} />
          ))}
          {state === 'loading' && (
            <div className="hbn-note" style={indent} role="status">
              Loading…
            </div>
          )}
          {problem !== null && <Problem error={problem} onAgain={() => void load(next)} />}
          {state === 'open' && problem === null && found.length === 0 && (
            <div className="hbn-note" style={indent}>
              Nothing is in it.
            </div>
          )}
          {state === 'open' && problem === null && next && (
            <button className="hbn-more" style={indent} onClick={() => void load(next)}>
              Show more
            </button>
          )}
        </div>
      )}
    </>
  );
}

/** What stands behind a source's name: that it may be written, or that it does not answer. */
function Mark({ place: { source } }: { place: IPlace }): React.JSX.Element {
  if (source.state !== 'closed') {
    return (
      <span className="hbn-mark hbn-mod-bad" title={source.why}>
        no answer
      </span>
    );
  }
  return <span className="hbn-mark">{source.level === 'write' ? `${source.kind}, writable` : source.kind}</span>;
}

function inside({ source }: IPlace, entry: IEntry): IPlace {
  return { source, path: entry.path, type: entry.type, size: entry.size, modified: entry.modified_at };
}

function canOpen({ source, type }: IPlace): boolean {
  return type === 'folder' || (type === 'source' && source.kind !== 'http');
}

function iconOf(place: IPlace): LabIcon {
  if (place.type === 'source') {
    return sourceIcon;
  }
  if (place.type === 'folder') {
    return folderIcon;
  }
  if (place.type === 'table' || isDatabase(place.source) || TABLES.test(place.path)) {
    return spreadsheetIcon;
  }
  return pictureType(place) ? imageIcon : fileIcon;
}

/** Whether the key moved to another line: up, down, to the first or last, into what is open, or out of it. */
function move(event: React.KeyboardEvent): boolean {
  const here = event.currentTarget as HTMLElement;
  const items = [...(here.closest('[role=tree]')?.querySelectorAll<HTMLElement>('[role=treeitem]') ?? [])];
  const at = items.indexOf(here);
  const above = items.slice(0, at).reverse().find(item => Number(item.ariaLevel) < Number(here.ariaLevel));
  const targets: Record<string, HTMLElement | undefined> = {
    ArrowUp: items[at - 1],
    ArrowDown: items[at + 1],
    ArrowRight: here.ariaExpanded === 'true' ? items[at + 1] : undefined,
    ArrowLeft: above,
    Home: items[0],
    End: items[items.length - 1]
  };
  targets[event.key]?.focus();
  return event.key in targets;
}
