/** Calls of the notebook's own server below `hubernate/api/`, which passes them to the platform by the gate's relay. */

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

/**
 * The answer.
 *
 * @throws ServerConnection.ResponseError with the platform's own words; ServerConnection.NetworkError.
 */
export async function askFor(path: string, body?: unknown): Promise<Response> {
  const settings = ServerConnection.makeSettings();
  const url = URLExt.join(settings.baseUrl, 'hubernate/api', path);
  const init = body === undefined ? { method: 'GET' } : { method: 'POST', body: JSON.stringify(body) };
  const answer = await ServerConnection.makeRequest(url, init, settings);
  if (!answer.ok) {
    const known = await answer.json().catch(() => ({}));
    throw new ServerConnection.ResponseError(answer, known.detail ?? known.message ?? `it answered ${answer.status}`);
  }
  return answer;
}

/** The answer's JSON. Throws as `askFor`. */
export async function ask<T>(path: string, body?: unknown): Promise<T> {
  return (await (await askFor(path, body)).json()) as T;
}
