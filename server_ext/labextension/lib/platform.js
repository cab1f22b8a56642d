/** Calls of the notebook's own server below `hubernate/api/`, which passes them to the platform by the gate's relay. */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
/**
 * The answer's JSON.
 *
 * @throws ServerConnection.ResponseError with the platform's own words; ServerConnection.NetworkError.
 */
export async function ask(path, body) {
    const settings = ServerConnection.makeSettings();
    const url = URLExt.join(settings.baseUrl, 'hubernate/api', path);
    const init = body === undefined ? { method: 'GET' } : { method: 'POST', body: JSON.stringify(body) };
    const answer = await ServerConnection.makeRequest(url, init, settings);
    const known = await answer.json().catch(() => ({}));
    if (!answer.ok) {
        throw new ServerConnection.ResponseError(answer, known.detail ?? known.message ?? `it answered ${answer.status}`);
    }
    return known;
}
