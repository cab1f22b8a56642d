/** The side bar's panel: the team's sources as a tree, and what is selected in it. */

import { refreshIcon, ReactWidget } from '@jupyterlab/ui-components';
import React from 'react';

import { Details } from './details';
import { dataIcon } from './icons';
import { Problem } from '../problem';
import { IPlace, ISource, sources, uriOf } from './sources';
import { Branch } from './tree';

/** What the panel leaves to JupyterLab. */
export interface IActions {
  onOpen: (place: IPlace) => void;
  onInsert: (code: string) => void;
  onCopy: (text: string) => void;
}

export class DataPanel extends ReactWidget {
  constructor(private readonly _actions: IActions) {
    super();
    this.id = 'hubernate-data';
    this.addClass('hbn-Data');
    this.title.icon = dataIcon;
    this.title.caption = 'Data';
  }

  render(): React.JSX.Element {
    return <Panel {...this._actions} />;
  }
}

function Panel(actions: IActions): React.JSX.Element {
  const [found, setFound] = React.useState<ISource[] | null>(null);
  const [problem, setProblem] = React.useState<unknown>(null);
  const [selected, setSelected] = React.useState<IPlace | null>(null);
  const [round, setRound] = React.useState(0);

  const load = async (): Promise<void> => {
    try {
      const known = await sources();
      setFound(known);
      setSelected(place => renewed(place, known));
      setProblem(null);
    } catch (error) {
      setProblem(error);
    }
  };
  const again = (): void => {
    setRound(round + 1);
    void load();
  };
  React.useEffect(() => void load(), []);
  return (
    <>
      <header className="hbn-head">
        <h2>Data</h2>
        <button className="hbn-button" title="Look again" aria-label="Look again" onClick={again}>
          <refreshIcon.react tag="span" />
        </button>
      </header>
      {problem !== null && <Problem error={problem} onAgain={again} />}
      {problem === null && found === null && (
        <p className="hbn-note" role="status">
          Loading…
        </p>
      )}
      {found?.length === 0 && <Nothing />}
      {found !== null && found.length > 0 && (
        <div
          className="hbn-Data-tree"
          role="tree"
          aria-label="Sources"
          tabIndex={selected ? -1 : 0}
          onFocus={event => {
            if (event.target === event.currentTarget) {
              event.currentTarget.querySelector<HTMLElement>('[role=treeitem]')?.focus();
            }
          }}
        >
          {found.map(source => (
            <Branch
              key={source.name}
              place={{ source, path: '', type: 'source', size: null, modified: null }}
              level={0}
              selected={selected ? uriOf(selected) : ''}
              round={round}
              onTrouble={() => void load()}
              onSelect={setSelected}
              onOpen={place => place.type !== 'source' && actions.onOpen(place)}
            />
          ))}
        </div>
      )}
      {selected && <Details place={selected} onUploaded={again} {...actions} />}
    </>
  );
}

/** The place with what is now known of its source; null where that is gone. */
function renewed(place: IPlace | null, known: ISource[]): IPlace | null {
  const source = known.find(({ name }) => name === place?.source.name);
  return place && source ? { ...place, source } : null;
}

function Nothing(): React.JSX.Element {
  return (
    <div className="hbn-note">
      <p>Your team has no source of data yet, or none that you may use.</p>
      <p>
        An admin of your team registers them on the platform’s page <em>Sources</em>; then they are here.
      </p>
    </div>
  );
}
