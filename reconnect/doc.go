// Package reconnect has a client that stays connected.
package reconnect
