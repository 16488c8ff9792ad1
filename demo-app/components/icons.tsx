// The demo's few icons: 20 px strokes in the colour of the text around them.
import type { ReactNode } from 'react';

function Icon({ children }: { children: ReactNode }) {
  return (
    <svg
      aria-hidden="true"
      width="20"
      height="20"
      viewBox="0 0 20 20"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.6"
      strokeLinecap="round"
      strokeLinejoin="round"
    >
      {children}
    </svg>
  );
}

export const MarkIcon = () => (
  <Icon>
    <path d="M2 10c0-2.3 1.5-3.8 3.5-3.8 4.2 0 4.8 7.6 9 7.6 2 0 3.5-1.5 3.5-3.8s-1.5-3.8-3.5-3.8c-4.2 0-4.8 7.6-9 7.6C3.5 13.8 2 12.3 2 10Z" />
  </Icon>
);

export const SendIcon = () => (
  <Icon>
    <path d="M10 16V4.5M5 9.5l5-5 5 5" />
  </Icon>
);

export const StopIcon = () => (
  <Icon>
    <rect x="5.5" y="5.5" width="9" height="9" rx="1.8" fill="currentColor" stroke="none" />
  </Icon>
);

export const EndIcon = () => (
  <Icon>
    <circle cx="10" cy="10" r="6.8" />
    <rect x="7.6" y="7.6" width="4.8" height="4.8" rx="0.8" fill="currentColor" stroke="none" />
  </Icon>
);

export const DownIcon = () => (
  <Icon>
    <path d="M10 4v11.5M5 10.5l5 5 5-5" />
  </Icon>
);

export const LinkIcon = () => (
  <Icon>
    <path d="M8.5 11.5a3.2 3.2 0 0 0 4.6 0l2.6-2.6a3.25 3.25 0 0 0-4.6-4.6l-.9.9M11.5 8.5a3.2 3.2 0 0 0-4.6 0l-2.6 2.6a3.25 3.25 0 0 0 4.6 4.6l.9-.9" />
  </Icon>
);

export const CheckIcon = () => (
  <Icon>
    <path d="m4.5 10.5 3.7 3.7 7.3-8" />
  </Icon>
);

export const PlusIcon = () => (
  <Icon>
    <path d="M10 4.5v11M4.5 10h11" />
  </Icon>
);

export const ReloadIcon = () => (
  <Icon>
    <path d="M15.8 8.2A6.2 6.2 0 0 0 4.3 7.5M4.2 11.8a6.2 6.2 0 0 0 11.5.7M4 4v3.6h3.6M16 16v-3.6h-3.6" />
  </Icon>
);

export const TabsIcon = () => (
  <Icon>
    <rect x="3" y="6.5" width="10.5" height="10" rx="2" />
    <path d="M7 3.5h7.5a2 2 0 0 1 2 2V13" />
  </Icon>
);

export const FileIcon = () => (
  <Icon>
    <path d="M11.5 2.8H6.3A1.8 1.8 0 0 0 4.5 4.6v10.8a1.8 1.8 0 0 0 1.8 1.8h7.4a1.8 1.8 0 0 0 1.8-1.8V6.8l-4-4Zm0 0v4h4" />
  </Icon>
);

export const CloseIcon = () => (
  <Icon>
    <path d="m5.5 5.5 9 9M14.5 5.5l-9 9" />
  </Icon>
);

export const AlertIcon = () => (
  <Icon>
    <circle cx="10" cy="10" r="6.8" />
    <path d="M10 6.7v4M10 13.3v.01" />
  </Icon>
);
