import { Chat } from '../chat';

export default function PageWithoutId() {
  return <Chat />;
}
