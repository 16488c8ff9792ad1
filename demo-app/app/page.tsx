// Redirects to a new chat. The chat's address is the only key to it.
import { redirect } from 'next/navigation';
import { newId } from '../lib/new-id';

export const dynamic = 'force-dynamic';

export default function NewChat(): never {
  redirect(`/chat/${newId()}`);
}
