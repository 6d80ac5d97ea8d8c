//! Words that personas are made of.

pub(super) const FIRST_NAMES: [&str; 40] = [
    "alex", "andrea", "anna", "ben", "bruno", "carla", "chris", "claire", "daniel", "david",
    "elena", "emma", "eric", "felix", "fiona", "george", "hannah", "hugo", "ivan", "jakub",
    "james", "jana", "julia", "kevin", "laura", "leo", "linda", "lucas", "maria", "mark", "martin",
    "nina", "oliver", "paul", "peter", "rachel", "sam", "sofia", "thomas", "victor",
];
pub(super) const LAST_NAMES: [&str; 24] = [
    "Adams", "Becker", "Brown", "Costa", "Dubois", "Fischer", "Garcia", "Hansen", "Horvat",
    "Jones", "Keller", "Kowalski", "Larsen", "Lopez", "Meyer", "Moreau", "Novak", "Olsen",
    "Petrov", "Rossi", "Silva", "Taylor", "Weber", "Young",
];
pub(super) const MACHINES: [&str; 12] = [
    "thinkpad", "laptop", "xps13", "x1", "desktop", "t14", "work", "latitude", "zbook", "dev",
    "nuc", "ws",
];
pub(super) const COMPANIES: [&str; 20] = [
    "northlake",
    "bluefern",
    "quartzly",
    "helioworks",
    "tamarind",
    "finchbay",
    "corelane",
    "oakmere",
    "velopath",
    "stackwell",
    "lumenary",
    "brightkiln",
    "harborline",
    "mistral-labs",
    "plainsight",
    "redwater",
    "silverpine",
    "tidegate",
    "upland",
    "wavecrest",
];
pub(super) const PROJECTS: [&str; 24] = [
    "billing-api",
    "checkout",
    "customer-portal",
    "data-sync",
    "dashboard-v2",
    "event-router",
    "feature-flags",
    "frontend",
    "inventory",
    "invoice-service",
    "landing-page",
    "ledger",
    "mailer",
    "mobile-bff",
    "notifier",
    "orders",
    "pricing",
    "reporting",
    "scheduler",
    "search-ui",
    "shop",
    "tenant-admin",
    "tracker",
    "webhooks",
];
/// Vendor, product, board: of laptops that developers own.
pub(super) const LAPTOPS: [(&str, &str, &str); 6] = [
    ("LENOVO", "20XW004AGE", "LENOVO"),
    ("LENOVO", "21HM002UGE", "LENOVO"),
    ("Dell Inc.", "XPS 13 9310", "Dell Inc."),
    ("Dell Inc.", "Latitude 7420", "Dell Inc."),
    ("HP", "HP EliteBook 840 G8 Notebook PC", "HP"),
    ("Framework", "Laptop", "Framework"),
];
/// Prefixes of network cards found in them.
pub(super) const LAPTOP_CARDS: [[u8; 3]; 4] = [
    [0x3c, 0xa9, 0xf4],
    [0x8c, 0x16, 0x45],
    [0xa4, 0x4c, 0xc8],
    [0x48, 0x2a, 0xe3],
];
pub(super) const CLOUD_CARD: [u8; 3] = [0x00, 0x0d, 0x3a];
/// Lines of a shell history; `{project}` is replaced.
pub(super) const HISTORY: [&str; 24] = [
    "git status",
    "git pull --rebase",
    "cd projects/{project}",
    "npm run dev",
    "npm test",
    "ls -la",
    "git diff",
    "git commit -am 'fix typo'",
    "git push",
    "docker compose up -d",
    "code .",
    "ssh staging",
    "htop",
    "df -h",
    "python3 -m venv .venv",
    "source .venv/bin/activate",
    "pip install -r requirements.txt",
    "pytest -q",
    "git checkout -b fix/timeout",
    "git log --oneline | head",
    "kubectl get pods",
    "vim README.md",
    "make lint",
    "curl -s localhost:3000/health",
];
