import { render } from 'preact';
import { App } from './app.tsx';
import { startLoading } from './load.ts';
import { followHash } from './state.ts';

followHash();
startLoading();
render(<App />, document.getElementById('page')!);
