//! Mouse reports: SGR (`CSI < b ; x ; y M`), urxvt (`CSI b ; x ; y M`) and X10 (`CSI M b x y`, one byte each).

use super::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use super::parameters::Parameters;

/// Bits of the first number.
const SHIFT: u32 = 4;
const ALT: u32 = 8;
const CONTROL: u32 = 16;
const MOTION: u32 = 32;
const WHEEL: u32 = 64;
/// Bits of the button. 3 means none.
const BUTTON: u32 = 3;
const NO_BUTTON: u32 = 3;
/// Added to the numbers of X10, and to the first one of urxvt, to make them printable.
const OFFSET: u8 = 32;

/// The event of an SGR report without its `<`. The final byte `m` means that a button was released.
pub(super) fn sgr(parameters: Parameters<'_>, last: u8) -> Option<MouseEvent> {
    let number = |index| parameters.number(index, 0);
    event(number(0)?, number(1)?, number(2)?, last == b'm')
}

pub(super) fn urxvt(parameters: Parameters<'_>) -> Option<MouseEvent> {
    let number = |index| parameters.number(index, 0);
    event(number(0)?.checked_sub(OFFSET.into())?, number(1)?, number(2)?, false)
}

pub(super) fn x10(bytes: [u8; 3]) -> Option<MouseEvent> {
    let [buttons, column, row] = bytes.map(|byte| byte.checked_sub(OFFSET).map(u32::from));
    event(buttons?, column?, row?, false)
}

/// `column` and `row` count from 1. A place outside of the window, where some terminals report a drag or a release, becomes
/// the nearest one.
fn event(bits: u32, column: u32, row: u32, is_released: bool) -> Option<MouseEvent> {
    let place = |number: u32| u16::try_from(number.saturating_sub(1)).unwrap_or(u16::MAX);
    let modifiers =
        [(SHIFT, KeyModifiers::SHIFT), (ALT, KeyModifiers::ALT), (CONTROL, KeyModifiers::CONTROL)];
    let modifiers = modifiers.into_iter().filter(|(bit, _)| bits & bit != 0).map(|(_, modifier)| modifier);
    let modifiers = modifiers.collect();
    Some(MouseEvent { kind: kind(bits, is_released)?, column: place(column), row: place(row), modifiers })
}

fn kind(bits: u32, is_released: bool) -> Option<MouseEventKind> {
    let button = match bits & BUTTON {
        0 => Some(MouseButton::Left),
        1 => Some(MouseButton::Middle),
        2 => Some(MouseButton::Right),
        _ => None,
    };
    match bits & !(SHIFT | ALT | CONTROL) {
        WHEEL => Some(MouseEventKind::ScrollUp),
        65 => Some(MouseEventKind::ScrollDown),
        66 => Some(MouseEventKind::ScrollLeft),
        67 => Some(MouseEventKind::ScrollRight),
        MOTION..WHEEL => Some(button.map_or(MouseEventKind::Moved, MouseEventKind::Drag)),
        // Only X10 and urxvt release a button that they do not name.
        NO_BUTTON => Some(MouseEventKind::Up(MouseButton::Left)),
        0..NO_BUTTON if is_released => button.map(MouseEventKind::Up),
        0..NO_BUTTON => button.map(MouseEventKind::Down),
        // Further buttons.
        _ => None,
    }
}
