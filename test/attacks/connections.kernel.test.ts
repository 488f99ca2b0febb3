import { connectionAttacks } from './connection-attacks.ts';
import { declareAttacks } from './on-each-lab.ts';

declareAttacks('what connection tracking and others could be made to believe', connectionAttacks);
