import { Chat } from './chat';

export default function StaticPage() {
  return <Chat id="front" />;
}
