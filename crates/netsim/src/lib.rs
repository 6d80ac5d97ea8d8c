//! Service simulation: interception, sniffing, TLS forging, simulated services, canary matching.
