//! stub
use super::state::{Import, Transcript};
/// stub
#[derive(Debug, Default)]
pub struct Chat;
impl Transcript for Chat {
    fn line(&mut self, _: &[u8], _: &mut Import) {}
    fn end(&mut self, _: &mut Import) {}
    fn is_session(&self) -> bool {
        false
    }
}
