package h2

import (
	"encoding/binary"
	"fmt"
	"math"
)

// SettingID names a setting (RFC 9113, section 6.5.2).
type SettingID uint16

// The settings.
const (
	SettingHeaderTableSize       SettingID = 0x1
	SettingEnablePush            SettingID = 0x2
	SettingMaxConcurrentStreams  SettingID = 0x3
	SettingInitialWindowSize     SettingID = 0x4
	SettingMaxFrameSize          SettingID = 0x5
	SettingMaxHeaderListSize     SettingID = 0x6
	SettingEnableConnectProtocol SettingID = 0x8 // RFC 8441
)

// String returns the RFC's name.
func (id SettingID) String() string {
	switch id {
	case SettingHeaderTableSize:
		return "HEADER_TABLE_SIZE"
	case SettingEnablePush:
		return "ENABLE_PUSH"
	case SettingMaxConcurrentStreams:
		return "MAX_CONCURRENT_STREAMS"
	case SettingInitialWindowSize:
		return "INITIAL_WINDOW_SIZE"
	case SettingMaxFrameSize:
		return "MAX_FRAME_SIZE"
	case SettingMaxHeaderListSize:
		return "MAX_HEADER_LIST_SIZE"
	case SettingEnableConnectProtocol:
		return "ENABLE_CONNECT_PROTOCOL"
	}
	return fmt.Sprintf("setting 0x%x", uint16(id))
}

// Setting is one setting.
type Setting struct {
	ID    SettingID
	Value uint32
}

// initialWindow is what every window is before SETTINGS say otherwise (RFC
// 9113, section 6.9.2).
const initialWindow = 65535

// streamsBeforeSettings is how many streams we open before the peer has said
// how many it takes.
const streamsBeforeSettings = 100

// maxSettings is how many settings a frame may have: each may have to change the
// windows of all streams.
const maxSettings = 100

// peerSettings are those of the peer.
type peerSettings struct {
	came           bool // the first SETTINGS
	connect        bool // ENABLE_CONNECT_PROTOCOL
	maxStreams     uint32
	window         int32
	maxFrame       uint32
	headerListSize uint32
}

func (p *peerSettings) init() {
	*p = peerSettings{
		maxStreams: streamsBeforeSettings, window: initialWindow, maxFrame: frameSize, headerListSize: math.MaxUint32,
	}
}

// withDefaults fills in what is not set, and brings the rest within bounds.
func (cfg Config) withDefaults() Config {
	def := func(v *uint32, d, least, most uint32) {
		if *v == 0 {
			*v = d
		}
		*v = min(max(*v, least), most)
	}
	def(&cfg.MaxStreams, DefaultMaxStreams, 1, maxStream)
	def(&cfg.StreamWindow, DefaultStreamWindow, 1, maxWindow)
	def(&cfg.ConnWindow, DefaultConnWindow, initialWindow, maxWindow)
	def(&cfg.MaxFrameSize, DefaultMaxFrameSize, frameSize, 1<<24-1)
	def(&cfg.MaxHeaderBytes, DefaultMaxHeaderBytes, 1, math.MaxUint32)
	budget := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	budget(&cfg.MaxFields, DefaultMaxFields)
	budget(&cfg.NonProgress, DefaultNonProgress)
	budget(&cfg.Resets, DefaultResets)
	budget(&cfg.OwnResets, DefaultOwnResets)
	budget(&cfg.MaxControls, DefaultMaxControls)
	return cfg
}

// settings appends our SETTINGS to the list.
func (cfg *Config) settings(list []Setting) []Setting {
	if cfg.Role == RoleClient {
		list = append(list, Setting{SettingEnablePush, 0})
	} else {
		list = append(list, Setting{SettingMaxConcurrentStreams, cfg.MaxStreams})
	}
	list = append(list, Setting{SettingInitialWindowSize, cfg.StreamWindow})
	if cfg.MaxFrameSize != frameSize {
		list = append(list, Setting{SettingMaxFrameSize, cfg.MaxFrameSize})
	}
	list = append(list, Setting{SettingMaxHeaderListSize, cfg.MaxHeaderBytes})
	if cfg.Role == RoleServer && cfg.ExtendedConnect {
		list = append(list, Setting{SettingEnableConnectProtocol, 1})
	}
	return list
}

func parseSetting(p []byte) Setting {
	return Setting{SettingID(binary.BigEndian.Uint16(p)), binary.BigEndian.Uint32(p[2:])}
}

// onSettings takes the payload of SETTINGS, in the order of its values (RFC
// 9113, section 6.5.3).
func (c *Conn) onSettings(ev *Event, h *frameHeader, p []byte) (ok bool, err error) {
	if h.has(FlagAck) {
		c.traceReceived(h, FrameInfo{})
		if c.acked {
			return false, c.nonProgress("acknowledgements of SETTINGS")
		}
		c.acked = true
		*ev = Event{Kind: KindSettingsAck}
		return true, nil
	}
	if c.cfg.OnFrame != nil {
		list := make([]Setting, 0, len(p)/6)
		for q := p; len(q) > 0; q = q[6:] {
			list = append(list, parseSetting(q))
		}
		c.traceReceived(h, FrameInfo{Settings: list})
	}
	*ev = Event{Kind: KindSettings, First: !c.peer.came}
	if ev.First {
		c.peer.came = true
		c.peer.maxStreams = math.MaxUint32
	} else if err := c.nonProgress("SETTINGS"); err != nil {
		return false, err
	}
	for ; len(p) > 0; p = p[6:] {
		if err := c.apply(parseSetting(p)); err != nil {
			return false, err
		}
	}
	// What was staged before went by the old settings, and so the
	// acknowledgement stands behind it.
	if err := c.reply(); err != nil {
		return false, err
	}
	c.stage(headerLen)
	c.out = appendHeader(c.out, frameHeader{typ: FrameSettings, flags: FlagAck})
	c.traceSent(FrameInfo{Type: FrameSettings, Flags: FlagAck})
	return true, nil
}

// apply puts one setting of the peer in force.
func (c *Conn) apply(s Setting) error {
	switch v := s.Value; s.ID {
	case SettingHeaderTableSize:
		c.enc.setTableSize(min(v, 4096))
	case SettingEnablePush:
		// RFC 9113, section 6.5.2: a server must not say 1.
		if v > 1 || v == 1 && c.cfg.Role == RoleClient {
			return c.fail(ErrCodeProtocol, "a wrong ENABLE_PUSH")
		}
	case SettingMaxConcurrentStreams:
		c.peer.maxStreams = v
	case SettingInitialWindowSize:
		if v > maxWindow {
			return c.fail(ErrCodeFlowControl, "an INITIAL_WINDOW_SIZE over the largest window")
		}
		return c.setInitialWindow(int32(v))
	case SettingMaxFrameSize:
		if v < frameSize || v > 1<<24-1 {
			return c.fail(ErrCodeProtocol, "a MAX_FRAME_SIZE out of bounds")
		}
		c.peer.maxFrame = v
	case SettingMaxHeaderListSize:
		c.peer.headerListSize = v
	case SettingEnableConnectProtocol:
		// RFC 8441, section 3: 0 or 1, and never 0 after 1. From a client it
		// means nothing.
		switch {
		case v > 1:
			return c.fail(ErrCodeProtocol, "a wrong ENABLE_CONNECT_PROTOCOL")
		case c.cfg.Role == RoleServer:
		case v == 0 && c.peer.connect:
			return c.fail(ErrCodeProtocol, "ENABLE_CONNECT_PROTOCOL was withdrawn")
		default:
			c.peer.connect = v == 1
		}
	}
	return nil
}

// queueSettings queues what our bytes begin with.
func (c *Conn) queueSettings() {
	c.room(256)
	if c.cfg.Role == RoleClient {
		c.ctl = append(c.ctl, Preface...)
	}
	var room [6]Setting
	list := c.cfg.settings(room[:0])
	h := frameHeader{length: uint32(6 * len(list)), typ: FrameSettings}
	c.ctl = appendHeader(c.ctl, h)
	for _, s := range list {
		c.ctl = binary.BigEndian.AppendUint16(c.ctl, uint16(s.ID))
		c.ctl = binary.BigEndian.AppendUint32(c.ctl, s.Value)
	}
	if c.cfg.OnFrame != nil {
		c.traceSent(FrameInfo{Type: FrameSettings, Length: h.length, Settings: append([]Setting(nil), list...)})
	}
	if more := c.cfg.ConnWindow - initialWindow; more > 0 {
		c.control(frameHeader{length: 4, typ: FrameWindowUpdate}, more)
	}
	c.recvWindow = int64(c.cfg.ConnWindow)
}
