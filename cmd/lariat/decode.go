package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/protocol"
	"github.com/spf13/cobra"
)

const maxDecodeInput = 1 << 30

func (a *app) decodeCommand() *cobra.Command {
	d := &decoder{printer: a.printer}
	var asHex, asRaw bool
	c := &cobra.Command{
		Use:   "decode [FILE]",
		Short: "Take the bytes of a connection apart",
		Long: `decode reads what one side of a connection sent, from FILE or standard input,
and shows the frames, the messages they make, and every broken rule with its
section of the RFC.

The input is raw bytes, or hex: plain digits in any grouping with comments from
#, or the output of xxd and hexdump -C. Which of them it is, and which side sent
it, is found out by looking; --hex, --raw and --from say so. The opening
handshake may stand before the frames.

The exit code is 1 when a rule was broken or the input ends inside a frame.`,
		Example: `  # a text frame of a server
  echo '81 05 48 65 6c 6c 6f' | lariat decode

  # a masked one of a client
  echo 818537fa213d7f9f4d5158 | lariat decode --from client

  # compressed messages, with the parameters that were agreed
  echo c10c2a4ecbcd4d2d2e4e4c4f0500 | lariat decode --deflate ''
  echo c107f248cdc9c90700 | lariat decode --deflate 'server_no_context_takeover'`,
		Args: argsBetween(0, 1, "one FILE", "lariat decode FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			if asHex && asRaw {
				return usage("one of them", "--hex and --raw contradict each other")
			}
			if c.Flags().Changed("deflate") {
				d.deflate = &d.params
			}
			switch d.from {
			case "", "client", "server":
			default:
				return usage("--from client or --from server", "%q is neither side of a connection", trim(d.from, 64))
			}
			data, err := readInput(a.in, args)
			if err != nil {
				return err
			}
			if asHex || !asRaw && looksHex(data) {
				if data, err = parseHex(data); err != nil {
					return fail(exitOther, "--raw reads bytes as they are", "the input is not hex: %w", err)
				}
			}
			return d.run(data)
		},
	}
	f := c.Flags()
	f.StringVar(&d.from, "from", "", "side that sent the bytes: `client` or server")
	f.BoolVar(&asHex, "hex", false, "the input is hex")
	f.BoolVar(&asRaw, "raw", false, "the input is raw bytes")
	f.StringVar(&d.params, "deflate", "", "inflate with these agreed `PARAMS` of permessage-deflate; '' for none")
	f.IntVar(&d.preview, "preview", 64, "show this many bytes of each payload, 0 for all")
	_ = c.RegisterFlagCompletionFunc("from", cobra.FixedCompletions([]string{"client", "server"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// readInput reads FILE, or standard input when there is none or it is "-".
func readInput(in io.Reader, args []string) ([]byte, error) {
	name := "standard input"
	if len(args) == 1 && args[0] != "-" {
		file, err := os.Open(args[0])
		if err != nil {
			return nil, fail(exitOther, "lariat decode FILE, or lariat decode < FILE", "cannot read the input: %w", err)
		}
		defer file.Close()
		in, name = file, args[0]
	}
	data, err := io.ReadAll(io.LimitReader(in, maxDecodeInput+1))
	switch {
	case err != nil:
		return nil, fail(exitOther, "", "cannot read %s: %w", name, err)
	case len(data) > maxDecodeInput:
		return nil, fail(exitOther, "cut it at a frame", "%s is longer than 1 GiB", name)
	}
	return data, nil
}

// decoder shows the frames of one direction.
type decoder struct {
	printer *printer
	from    string  // client, server, or "" to find out
	params  string  // --deflate
	deflate *string // params, nil when not given
	preview int

	receiver *protocol.Receiver
	failed   bool // the receiver has judged for the last time
	broken   int  // violations

	frames, messages int64
	message          struct {
		data   []byte
		frames int
		wire   int64
		coded  bool
	}
}

func (d *decoder) run(data []byte) error {
	head, rest := cutHead(data)
	if err := d.readHead(head); err != nil {
		return err
	}
	if d.from == "" {
		d.from = "server"
		if len(rest) > 1 && rest[1]&0x80 != 0 {
			d.from = "client"
		}
	}
	codec, err := d.codec()
	if err != nil {
		return err
	}
	// The frames of a client are read as a server would, and the reverse.
	role := protocol.RoleClient
	if d.from == "client" {
		role = protocol.RoleServer
	}
	d.receiver = protocol.NewReceiver(role, &protocol.Options{
		Codec: codec, MaxMessageSize: -1, MaxFragments: -1, MaxEmptyFragments: -1, ControlBurst: -1,
	})
	defer d.receiver.Close()
	return d.walk(rest, int64(len(head)))
}

// readHead takes from an opening handshake what it tells: the side, and the
// parameters that were agreed.
func (d *decoder) readHead(head []byte) error {
	if len(head) == 0 {
		return nil
	}
	lines := strings.Split(strings.TrimSpace(string(head)), "\r\n")
	side := "client"
	if strings.HasPrefix(lines[0], "HTTP/") {
		side = "server"
	}
	if d.from == "" {
		d.from = side
	}
	d.printer.line("%s", d.printer.paint(bold, "opening handshake of the "+side))
	var values []string
	for _, l := range lines {
		d.printer.line("  %s", printable(l))
		if name, value, _ := strings.Cut(l, ":"); strings.EqualFold(name, "Sec-WebSocket-Extensions") {
			values = append(values, value)
		}
	}
	d.printer.line("")
	if side == "client" || d.deflate != nil {
		return nil
	}
	offers, err := extension.ParseOffers(values)
	if err != nil {
		return fail(exitOther, "", "bad Sec-WebSocket-Extensions: %w", err)
	}
	for _, o := range offers {
		if o.Name == deflate.Name {
			_, params, _ := strings.Cut(o.String(), ";")
			d.deflate = &params
		}
	}
	return nil
}

// codec returns what inflates the messages, nil without --deflate.
//
// A decoder of server messages is what a client gets when it confirms the
// agreed parameters. That of client messages is the same with the sides'
// parameters exchanged.
func (d *decoder) codec() (extension.Codec, error) {
	if d.deflate == nil {
		return nil, nil
	}
	const hint = "--deflate 'server_no_context_takeover; client_max_window_bits=12', or --deflate '' for no parameters"
	text := deflate.Name
	// The whole header may be given as well as the parameters alone.
	if p := strings.Trim(strings.TrimPrefix(strings.TrimSpace(*d.deflate), deflate.Name), "; "); p != "" {
		text += "; " + p
	}
	offers, err := extension.ParseOffers([]string{text})
	if err != nil || len(offers) != 1 {
		return nil, usage(hint, "%q are not parameters of permessage-deflate", trim(*d.deflate, 64))
	}
	agreed := offers[0]
	if d.from == "client" {
		for i, p := range agreed.Params {
			if name, ok := strings.CutPrefix(p.Name, "client_"); ok {
				agreed.Params[i].Name = "server_" + name
			} else if name, ok := strings.CutPrefix(p.Name, "server_"); ok {
				agreed.Params[i].Name = "client_" + name
			}
		}
	}
	codec, err := deflate.New(&deflate.Options{ServerContextTakeover: true, ClientContextTakeover: true}).Confirm(agreed)
	if err != nil {
		return nil, usage(hint, "%q are not parameters that can be agreed: %w", trim(*d.deflate, 64), err)
	}
	return codec, nil
}

// walk goes through the frames. base is the place of p in the input.
func (d *decoder) walk(p []byte, base int64) error {
	var ending error
	for at := int64(0); at < int64(len(p)); {
		rest := p[at:]
		h, n, err := frame.ParseHeader(rest)
		if err != nil || n == 0 || int64(len(rest)-n) < h.Length {
			// The receiver judges the bytes that are there; often they show
			// why the rest makes no sense.
			d.judge(rest, base+at)
			if err != nil && !d.failed {
				d.violation(err, base+at)
			}
			if d.broken == 0 || err == nil {
				ending = d.cutShort(base+at, h, n, len(rest))
			}
			break
		}
		whole := rest[:int64(n)+h.Length]
		d.frame(h, whole[n:], base+at)
		d.judge(whole, base+at)
		at += int64(len(whole))
	}
	d.printer.line("%s", d.printer.paint(dim, fmt.Sprintf("%s, %s, %s",
		count(d.frames, "frame"), count(d.messages, "whole message"), count(int64(d.broken), "violation"))))
	switch {
	case d.broken > 0:
		return fail(exitOther, "", "the %s broke the protocol", d.from)
	case ending != nil:
		return ending
	}
	return nil
}

func (d *decoder) cutShort(at int64, h frame.Header, n, left int) error {
	if n == 0 {
		return fail(exitOther, "", "the input ends inside the header of the frame at byte %d", at)
	}
	return fail(exitOther, "", "the input ends inside the %v frame at byte %d: %d of %s of payload are there", h.Opcode, at, left-n, count(h.Length, "byte"))
}

// frame shows one frame.
func (d *decoder) frame(h frame.Header, payload []byte, at int64) {
	d.frames++
	plain := append([]byte(nil), payload...)
	var mask, masked string
	if h.Masked {
		h.Mask.XOR(plain, 0)
		mask = hex.EncodeToString(h.Mask[:])
		masked = "masked " + mask
	}
	_ = d.printer.event("frame", &frameEvent{
		Direction: d.from, Offset: &at, Opcode: h.Opcode.String(), Fin: h.Fin, RSV: rsvList(h.RSV),
		Masked: h.Masked, Mask: mask, Size: h.Length, Payload: plain,
	})
	d.printer.line("%s  %s %s %s  %s", d.printer.paint(dim, fmt.Sprintf("%6d", at)),
		d.printer.paint(cyan, fmt.Sprintf("%-12s", h.Opcode)), flagText(h), fmt.Sprintf("%-15s", masked), d.show(h, plain))
}

// flagText is the first bits of a frame in words of equal width.
func flagText(h frame.Header) string {
	fin := "   "
	if h.Fin {
		fin = "fin"
	}
	rsv := ""
	for _, n := range rsvList(h.RSV) {
		rsv += fmt.Sprintf("rsv%d ", n)
	}
	return fin + " " + fmt.Sprintf("%-5s", strings.TrimSpace(rsv))
}

func rsvList(r frame.RSV) []int {
	var ns []int
	for i, bit := range []frame.RSV{frame.RSV1, frame.RSV2, frame.RSV3} {
		if r&bit != 0 {
			ns = append(ns, i+1)
		}
	}
	return ns
}

// show describes a payload.
func (d *decoder) show(h frame.Header, p []byte) string {
	s := fmt.Sprintf("%12s  ", count(h.Length, "byte"))
	if h.Opcode == frame.OpClose {
		if code, reason, err := frame.ParseClose(p); err == nil {
			if reason != "" {
				return s + fmt.Sprintf("%v %q", code, reason)
			}
			return s + code.String()
		}
	}
	text := h.RSV == 0 && (h.Opcode == frame.OpText || h.Opcode == frame.OpContinuation)
	return strings.TrimRight(s+d.cut(p, text || h.Opcode.IsControl()), " ")
}

// cut shows the front of p, quoted where it reads as text.
func (d *decoder) cut(p []byte, text bool) string {
	more := ""
	if d.preview > 0 && len(p) > d.preview {
		p, more = p[:d.preview], " …"
	}
	switch {
	case len(p) == 0:
		return ""
	case text && isText(p):
		return fmt.Sprintf("%q", p) + more
	}
	return fmt.Sprintf("% x", p) + more
}

// judge gives the bytes to the receiver and shows what they amount to.
func (d *decoder) judge(whole []byte, at int64) {
	if d.failed {
		return
	}
	if h, n, err := frame.ParseHeader(whole); err == nil && n > 0 && !h.Opcode.IsControl() {
		if h.Opcode != frame.OpContinuation {
			d.message.coded = h.RSV&frame.RSV1 != 0
		}
		d.message.frames++
		d.message.wire += h.Length
	}
	p := append([]byte(nil), whole...) // Next unmasks in place
	for {
		n, ev, ok, err := d.receiver.Next(p)
		if err != nil {
			d.failed = true
			d.violation(err, at)
			return
		}
		p = p[n:]
		if !ok {
			return
		}
		d.happened(ev)
	}
}

func (d *decoder) happened(ev protocol.Event) {
	switch ev.Kind {
	case protocol.EventClose:
		_ = d.printer.event("close", &closeEvent{Code: int(ev.Code), Name: ev.Code.String(), Reason: ev.Reason, Direction: d.from})
	case protocol.EventData:
		d.message.data = append(d.message.data, ev.Data...)
		if ev.Final {
			d.messages++
			d.whole(ev.Opcode)
			d.message.data, d.message.frames, d.message.wire = d.message.data[:0], 0, 0
		}
	}
}

// whole shows a finished message, unless its one frame has shown it already.
func (d *decoder) whole(op frame.Opcode) {
	m := &d.message
	e := &messageEvent{Direction: d.from, Type: op.String(), Size: len(m.data), Frames: m.frames, Wire: m.wire}
	if op == frame.OpText {
		e.Text = string(m.data)
	} else {
		e.Base64 = m.data
	}
	_ = d.printer.event("message", e)
	if m.frames == 1 && !m.coded {
		return
	}
	how := count(int64(m.frames), "frame")
	if m.coded {
		how += fmt.Sprintf(", inflated from %s", count(m.wire, "byte"))
	}
	d.printer.line("%6s  %s %s  %s", "", d.printer.paint(green, fmt.Sprintf("= %v message of %s", op, count(int64(len(m.data)), "byte"))),
		d.printer.paint(dim, "("+how+")"), d.cut(m.data, op == frame.OpText))
}

// violation shows a broken rule.
func (d *decoder) violation(err error, at int64) {
	d.broken++
	var v frame.Violation
	if !errors.As(err, &v) {
		d.printer.line("%6s  %s %v", "", d.printer.paint(red, "! violation:"), err)
		_ = d.printer.event("violation", &violationEvent{Direction: d.from, Offset: at, Rule: err.Error()})
		return
	}
	rule := strings.TrimSuffix(strings.TrimPrefix(v.Error(), "websocket: "), " ("+v.Section()+")")
	_ = d.printer.event("violation", &violationEvent{Direction: d.from, Offset: at, Rule: rule, Section: v.Section(), Code: int(v.Status())})
	d.printer.line("%6s  %s %s; %s; close with %v", "", d.printer.paint(red, "! violation:"), rule, v.Section(), v.Status())
	if v == frame.ErrReservedBits && d.deflate == nil {
		d.printer.line("%6s    %s", "", d.printer.paint(yellow, "RSV1 marks compressed messages: try --deflate ''"))
	}
}
