// Several chats on one page: /beside?id=…&id=…
import { Chat } from '../../components/chat';
import { modelName } from '../../lib/model-name';

export default async function BesidePage({
  searchParams,
}: {
  searchParams: Promise<{ id?: string | string[] }>;
}) {
  const { id = [] } = await searchParams;
  return [id].flat().map((one, index) => (
    <section key={one} aria-label={`Chat ${index + 1}`}>
      <Chat id={one} modelName={modelName()} />
    </section>
  ));
}
