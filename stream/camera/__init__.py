"""A camera made of video files: an RTSP server (RFC 2326) with faults on demand.

Pure, with time as an argument::

    nal_units, rtp_payloads   H.264 and H.265 pictures in pieces that fit a packet
    rtp_packets               RTP packets and RTCP sender reports
    playback                  a clip as an endless sequence of moments
    faults, fault_effects     what can go wrong, and what it does to that sequence
    mount                     a clip with its faults under a name; what one connection gets of it
    rtsp_message, transport_header, digest, sdp, session    the RTSP side

With the outside: `read_clip` (files), `carrier`, `player`, `connection`, `server` (sockets).
"""
