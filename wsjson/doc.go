// Package wsjson reads and writes JSON messages.
//
//	type Move struct{ X, Y int }
//
//	m, err := wsjson.Read[Move](ctx, c)
//	err = wsjson.Write(ctx, c, Move{1, 2})
//
// Each value is one text message. A message that is not JSON, or not JSON of
// the right shape, is an error that says so and leaves the connection as it
// is: the next Read reads the next message. A program that wants to be strict
// ends the connection:
//
//	m, err := wsjson.Read[Move](ctx, c)
//	if _, ok := errors.AsType[*wsjson.DecodeError](err); ok {
//		c.Close(websocket.StatusInvalidPayloadData, "not a move")
//	}
package wsjson
