/** Milliseconds without data after which a command gives up a request to the API server. Agents have limits of their own, as no user waits for them. */
export const apiSilenceMs = 30_000;
