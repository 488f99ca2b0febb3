declare const POSTERN_VERSION: string;

export const readVersion = (): string => POSTERN_VERSION;
