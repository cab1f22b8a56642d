/** One place's look, asked for when it is shown; the answer to an older question is dropped. */

import React from 'react';

import { ILook, IPlace, look, uriOf } from './sources';

export interface ILooking {
  found: ILook | null;
  problem: unknown;
  loading: boolean;
  /** Ask the source anew. */
  refresh: () => void;
}

export function useLook(place: IPlace | null): ILooking {
  const [known, setKnown] = React.useState<{ uri: string; found: ILook | null; problem: unknown }>();
  const [asked, setAsked] = React.useState({ uri: '', times: 0 });
  const uri = place ? uriOf(place) : '';
  React.useEffect(() => {
    if (!place) {
      return;
    }
    let wanted = true;
    const keep = (found: ILook | null, problem: unknown): void => {
      if (wanted) {
        setKnown({ uri, found, problem });
      }
    };
    const fresh = asked.uri === uri && asked.times > 0;
    look(place, fresh).then(
      found => keep(found, null),
      problem => keep(null, problem)
    );
    return () => {
      wanted = false;
    };
  }, [uri, asked]);
  const here = known?.uri === uri ? known : undefined;
  const refresh = (): void => {
    setKnown(undefined);
    setAsked({ uri, times: asked.times + 1 });
  };
  return { found: here?.found ?? null, problem: here?.problem ?? null, loading: uri !== '' && !here, refresh };
}
