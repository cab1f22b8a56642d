/** Calls of the notebook's own server below `hubernate/api/`, which passes them to the platform by the gate's relay. */
/**
 * The answer's JSON.
 *
 * @throws ServerConnection.ResponseError with the platform's own words; ServerConnection.NetworkError.
 */
export declare function ask<T>(path: string, body?: unknown): Promise<T>;
