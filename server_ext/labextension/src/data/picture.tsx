/** A picture of a source's, small enough to be shown. */

import React from 'react';

import { Problem } from '../problem';
import { IPlace, nameOf, picture } from './sources';

export function Picture({ place }: { place: IPlace }): React.JSX.Element {
  const [url, setUrl] = React.useState('');
  const [problem, setProblem] = React.useState<unknown>(null);
  React.useEffect(() => {
    let made = '';
    let wanted = true;
    picture(place).then(
      blob => {
        if (wanted) {
          setUrl((made = URL.createObjectURL(blob)));
        }
      },
      error => wanted && setProblem(error)
    );
    return () => {
      wanted = false;
      URL.revokeObjectURL(made);
    };
  }, []);
  if (problem !== null) {
    return <Problem error={problem} />;
  }
  return url ? <img className="hbn-Data-picture" src={url} alt={nameOf(place)} /> : <p role="status">Loading…</p>;
}
