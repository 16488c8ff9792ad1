import { Chat } from '../../../components/chat';
import { modelName } from '../../../lib/model-name';

export default async function ChatPage({ params }: { params: Promise<{ id: string }> }) {
  const { id } = await params;
  return <Chat key={id} id={id} modelName={modelName()} />;
}
