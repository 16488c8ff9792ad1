import { Suspense } from 'react';
import { Chat } from '../../chat';

type Props = { params: Promise<{ id: string }> };

async function ChatOfPath({ params }: Props) {
  const { id } = await params;
  return <Chat id={id} />;
}

export default function ChatPage(props: Props) {
  return (
    <Suspense>
      <ChatOfPath {...props} />
    </Suspense>
  );
}
