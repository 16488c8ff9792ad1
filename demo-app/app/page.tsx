// Opening the demo opens a new chat; its address is the only key to it.
import { redirect } from 'next/navigation';

export const dynamic = 'force-dynamic';

export default function NewChat(): never {
  redirect(`/chat/${crypto.randomUUID()}`);
}
