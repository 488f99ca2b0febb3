import { believedRouters, duplicateAddresses, linkChannels, pretenders } from './link-control-attacks.ts';
import { declareAttacks } from './on-each-lab.ts';

declareAttacks('link control as a channel between pods of a bridge', linkChannels);
declareAttacks('a pod that makes another give its address up', duplicateAddresses);
declareAttacks('a pod as a router or an address server', pretenders);
declareAttacks('a router advertisement that pods of a bridge believe', believedRouters);
