// Package server serves WebSocket by handlers with callbacks.
package server
