//go:build !unix

package server

// defaultMaxSessions is no limit: there is none of descriptors.
func defaultMaxSessions() int { return -1 }
