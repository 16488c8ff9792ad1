import { describeChannel } from './conformance.fixture.ts';
import { memoryChannel } from './memory.ts';

describeChannel('memory', async () => memoryChannel());
